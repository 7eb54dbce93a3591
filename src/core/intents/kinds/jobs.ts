import type { JsonObject } from "../../kernel/json.ts";
import type { FieldProblem } from "../contract.ts";
import { parseCron } from "../cron.ts";
import { bool, int, int32Max, object, text, type ObjectSchema } from "../schema.ts";
import type { Kind } from "./kind.ts";
import { labels, metadata, templateMetadata } from "./metadata.ts";
import { podSpec, podTemplate } from "./pod-template.ts";
import { checkPodTemplate, childOf } from "./workloads.ts";
import { checkAnnotations } from "./annotations.ts";

/** Work that ends, and work that ends again and again. */

const jobTemplate: ObjectSchema = {
  ...podTemplate,
  fields: {
    ...podTemplate.fields,
    spec: {
      ...podSpec,
      required: true,
      fields: {
        ...podSpec.fields,
        restartPolicy: text("Whether a program that fails is started again in its pod.", {
          required: true,
          choices: ["Never", "OnFailure"],
        }),
      },
    },
  },
};

const jobSpec = object(
  "What to run, and how often.",
  {
    completions: int("How many pods have to succeed, each with its own index.", 1, 1_000, { default: 1 }),
    parallelism: int("How many of them run at once.", 0, 1_000, { default: 1 }),
    completionMode: text("Every pod has an index in either mode.", {
      choices: ["NonIndexed", "Indexed"],
      default: "NonIndexed",
    }),
    backoffLimit: int(
      "Failures until the job counts as failed; in each site of a `perSite` one.",
      0,
      10_000,
      {
        default: 6,
      },
    ),
    activeDeadlineSeconds: int("After this time from its creation it has failed.", 1, int32Max),
    ttlSecondsAfterFinished: int("When it goes by itself once it has ended.", 0, int32Max),
    suspend: bool("Runs nothing while it is true."),
    selector: object("Accepted as Kubernetes fills it in.", { matchLabels: labels("Labels of the pods.") }),
    manualSelector: bool("Accepted only as false."),
    template: jobTemplate,
    podReplacementPolicy: text("Accepted for compatibility.", {
      choices: ["TerminatingOrFailed", "Failed"],
    }),
  },
  {
    required: true,
    unsupported: [
      "podFailurePolicy",
      "successPolicy",
      "backoffLimitPerIndex",
      "maxFailedIndexes",
      "managedBy",
    ],
  },
);

export const job: Kind = {
  group: "batch",
  version: "v1",
  kind: "Job",
  plural: "jobs",
  singular: "job",
  shortNames: [],
  categories: ["all"],
  namespaced: true,
  schema: object("Pods that run until they have succeeded, at least once each.", { metadata, spec: jobSpec }),
  immutable: ["spec.template", "spec.completions"],
  check: (value) => [...checkAnnotations(value), ...checkJob(childOf(value, "spec"), "spec")],
};

export const cronJob: Kind = {
  group: "batch",
  version: "v1",
  kind: "CronJob",
  plural: "cronjobs",
  singular: "cronjob",
  shortNames: ["cj"],
  categories: ["all"],
  namespaced: true,
  schema: object("Jobs at the times of a schedule.", {
    metadata,
    spec: object(
      "When, and what.",
      {
        schedule: text("Five fields (minute, hour, day, month, weekday) in UTC, or @hourly and its like.", {
          required: true,
          lengthMax: 256,
        }),
        timeZone: text("Only UTC: of other zones two nodes may have different tables.", {
          choices: ["UTC", "Etc/UTC"],
        }),
        concurrencyPolicy: text("What happens when a run is due while an earlier one goes on.", {
          choices: ["Allow", "Forbid", "Replace"],
          default: "Allow",
        }),
        startingDeadlineSeconds: int("A run that did not start within this time is left out.", 1, int32Max),
        suspend: bool("Starts no further runs while it is true."),
        successfulJobsHistoryLimit: int("Ended runs to keep.", 0, 100, { default: 3 }),
        failedJobsHistoryLimit: int("Failed runs to keep.", 0, 100, { default: 1 }),
        jobTemplate: object("The jobs.", { metadata: templateMetadata, spec: jobSpec }, { required: true }),
      },
      { required: true },
    ),
  }),
  check: checkCronJob,
};

function checkCronJob(value: JsonObject): FieldProblem[] {
  const spec = childOf(value, "spec");
  const problems = [
    ...checkAnnotations(value),
    ...checkJob(childOf(childOf(spec, "jobTemplate"), "spec"), "spec.jobTemplate.spec"),
  ];
  const { schedule } = spec;
  const cron = typeof schedule === "string" ? parseCron(schedule) : undefined;
  if (cron?.ok === false) {
    const fix = 'use for example "*/5 * * * *" or "0 3 * * 1-5"';
    problems.push({
      field: "spec.schedule",
      value: JSON.stringify(schedule ?? null),
      problem: cron.error,
      fix,
    });
  }
  // A minute of eleven digits is put behind the name.
  const { name } = childOf(value, "metadata");
  if (typeof name === "string" && name.length > 52)
    problems.push({
      field: "metadata.name",
      value: JSON.stringify(name),
      problem: "has more than 52 characters",
      fix: "its jobs are named after it: shorten it",
    });
  return problems;
}

function checkJob(spec: JsonObject, path: string): FieldProblem[] {
  const problems = checkPodTemplate(childOf(spec, "template")).map((problem) => ({
    ...problem,
    field: problem.field.replace(/^spec\./, `${path}.`),
  }));
  const { parallelism, completions, manualSelector } = spec;
  if (completions === undefined && typeof parallelism === "number" && parallelism > 1)
    problems.push({
      field: `${path}.completions`,
      value: "",
      problem: "is missing",
      fix: "say how many pods have to succeed: work queues without a number are not supported",
    });
  if (manualSelector === true)
    problems.push({
      field: `${path}.manualSelector`,
      value: "true",
      problem: "is not supported",
      fix: "leave it out: pods are found by the label job-name",
    });
  return problems;
}
