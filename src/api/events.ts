import { kindOf } from "../core/intents/kinds/index.ts";
import { apiVersionOf } from "../core/intents/kinds/kind.ts";
import type { JsonObject } from "../core/kernel/json.ts";
import type { NodeView } from "../core/node/contract.ts";
import type { ObjectRef } from "../core/records/keys.ts";
import type { ApiDeps } from "./contract.ts";
import { nodeNames, withNodeNames } from "./slot-names.ts";
import { timeOf } from "./values.ts";
import { whyWaiting } from "./why-waiting.ts";

/** This node's latest decisions, as events about the objects they concern; and what keeps Jobs from running now. */
export function events({ notes, view }: ApiDeps): JsonObject[] {
  const nameOf = nodeNames(view);
  const { name, id } = view.identity;
  const noted = notes()
    .filter(({ level }) => level !== "debug")
    .map(({ at, level, reason, message, about }, number) => ({
      ...eventOf(at, name),
      metadata: {
        name: `${name}.${at.toString(16)}.${number}`,
        namespace: about?.namespace || "default",
        uid: `${id}-${at}-${number}`,
        creationTimestamp: timeOf(at),
      },
      involvedObject: about === undefined ? { kind: "Node", name, uid: id } : involved(about, view),
      type: level === "info" ? "Normal" : "Warning",
      reason,
      message: withNodeNames(message, nameOf),
    }));
  return [...noted, ...jobsWaiting(view)];
}

const eventOf = (at: number, host: string): JsonObject => ({
  apiVersion: "v1",
  kind: "Event",
  count: 1,
  firstTimestamp: timeOf(at),
  lastTimestamp: timeOf(at),
  source: { component: "starlight", host },
  reportingComponent: "starlight",
  reportingInstance: host,
});

/** With the uid: `kubectl describe` looks for events by it, too. */
function involved(ref: ObjectRef, view: NodeView): JsonObject {
  const { group, kind: kindName, name, namespace } = ref;
  const kind = kindOf(group, kindName);
  const uid = view.object(ref)?.uid;
  return {
    ...(kind === undefined ? {} : { apiVersion: apiVersionOf(kind) }),
    kind: kindName,
    name,
    namespace,
    ...(uid === undefined ? {} : { uid }),
  };
}

function jobsWaiting(view: NodeView): JsonObject[] {
  return view.objects("batch", "Job").flatMap((job) => {
    const { ended, suspended } = view.job(job);
    const waiting = ended === undefined && !suspended ? whyWaiting(job, view) : undefined;
    if (waiting === undefined) return [];
    const { name, namespace } = job.ref;
    const creationTimestamp = timeOf(job.createdAt);
    return [
      {
        ...eventOf(job.createdAt, view.identity.name),
        metadata: { name: `${name}.waiting`, namespace, uid: `${job.uid}-waiting`, creationTimestamp },
        involvedObject: involved(job.ref, view),
        type: "Warning",
        reason: "FailedScheduling",
        message: waiting.message,
      },
    ];
  });
}
