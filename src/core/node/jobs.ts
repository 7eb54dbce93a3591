import type { MergedObject } from "../intents/contract.ts";
import { kindOf } from "../intents/kinds/index.ts";
import { parseSiteSelector } from "../intents/site-selector.ts";
import { withDefaults } from "../intents/validate.ts";
import type { JsonObject } from "../kernel/json.ts";
import { seconds, type Duration, type WallTime } from "../kernel/time.ts";
import { matchesSite } from "../placement/slots.ts";
import { nothingDone, progressByJob } from "./job-progress.ts";
import type { BaseProgress, JobBase, JobStanding } from "./job-standing.ts";
import { numberAt, objectAt, stringsAt } from "./json-at.ts";
import type { NodeState } from "./state.ts";

/** As Kubernetes waits between the failures of a job, wherever they happened; after a success nothing is waited for. */
const backoffFirst: Duration = seconds(10);
const backoffMax: Duration = seconds(360);

export function jobStanding(state: NodeState, object: MergedObject, wall: WallTime): JobStanding {
  const spec = specOf(object);
  const completions = numberAt(spec, "completions", 1);
  const limit = numberAt(spec, "backoffLimit", 6);
  const progress = progressByJob(state.index).get(object.uid);
  const bases = basesOf(state, object).map((base): JobBase => {
    const { done, failures, at, failedAt }: BaseProgress = progress?.bases.get(base) ?? nothingDone;
    const inside = [...done].filter((index) => index < completions).sort((left, right) => left - right);
    const outcome = inside.length >= completions ? "done" : failures > limit ? "failed" : undefined;
    const isFailing = failures > 0 && failedAt >= at;
    const wait = isFailing ? Math.min(backoffMax, backoffFirst * 2 ** Math.min(16, failures - 1)) : 0;
    const notBefore = isFailing ? failedAt + wait : 0;
    return { base, done: inside, failures, outcome, notBefore, retryAfter: wait };
  });
  const deadline =
    object.createdAt + seconds(numberAt(spec, "activeDeadlineSeconds", Number.POSITIVE_INFINITY));
  const ended = endOf(state, object, bases, { wall, deadline });
  const goesAt =
    ended === undefined
      ? Number.POSITIVE_INFINITY
      : ended.at + seconds(numberAt(spec, "ttlSecondsAfterFinished", Number.POSITIVE_INFINITY));
  const suspended = spec["suspend"] === true;
  const later = [ended === undefined ? deadline : goesAt].filter((at) => at > wall);
  const isOver = suspended || ended !== undefined;
  return {
    bases,
    suspended,
    ended,
    expired: goesAt <= wall,
    changesAt: Math.min(Number.POSITIVE_INFINITY, ...later),
    until: {
      done: bases.flatMap(({ base, done }) => done.map((index) => `${base}/${index}`)),
      atOnce: isOver ? 0 : Math.min(completions, numberAt(spec, "parallelism", 1)),
      closed: bases.flatMap(({ base, outcome }) => (outcome === undefined ? [] : [base])),
    },
  };
}

function endOf(
  state: NodeState,
  object: MergedObject,
  bases: readonly JobBase[],
  { wall, deadline }: { readonly wall: WallTime; readonly deadline: WallTime },
): JobStanding["ended"] {
  const progress = progressByJob(state.index).get(object.uid);
  const at = Math.max(object.createdAt, ...[...(progress?.bases.values() ?? [])].map((base) => base.at));
  const failed = bases.filter(({ outcome }) => outcome === "failed");
  if (bases.length > 0 && bases.every(({ outcome }) => outcome !== undefined)) {
    if (failed.length === 0) return { as: "Complete", why: "CompletionsReached", at };
    return { as: "Failed", why: "BackoffLimitExceeded", at };
  }
  return wall >= deadline ? { as: "Failed", why: "DeadlineExceeded", at: deadline } : undefined;
}

/** Where its slots are counted: in the mesh, or in each site in view that it is for. */
function basesOf({ placeNodes }: NodeState, object: MergedObject): readonly string[] {
  const annotations = stringsAt(objectAt(object.value, "metadata"), "annotations");
  if (annotations["starlight.dev/placement"] !== "perSite") return ["mesh"];
  const selector = parseSiteSelector(annotations["starlight.dev/sites"] ?? "");
  const sites = new Set<string>();
  for (const { site, region } of placeNodes.values())
    if (selector.ok && matchesSite(selector.value, { site, region })) sites.add(site);
  return [...sites].sort().map((site) => `site/${site}`);
}

const specs = new WeakMap<MergedObject, JsonObject>();

/** The spec of a Job or a CronJob with defaults, which are the same for every look at one object. */
export function specOf(object: MergedObject): JsonObject {
  const known = specs.get(object);
  if (known !== undefined) return known;
  const kind = kindOf("batch", object.ref.kind);
  const spec = objectAt(kind === undefined ? object.value : withDefaults(kind, object.value), "spec");
  specs.set(object, spec);
  return spec;
}
