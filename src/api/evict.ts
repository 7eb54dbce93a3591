import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonObject } from "../core/kernel/json.ts";
import { seconds } from "../core/kernel/time.ts";
import { maintenanceOf } from "../core/node/maintenance.ts";
import type { PodView } from "../core/node/contract.ts";
import { readObject } from "./body.ts";
import type { ApiDeps } from "./contract.ts";
import { keptBy } from "./disruption.ts";
import { podNamed } from "./pod-named.ts";
import { presentPod } from "./present.ts";
import { isDryRun, type Target, type WriteAnswer } from "./read.ts";
import { ApiError, badRequest, sendJson } from "./status.ts";
import { child, timeOf } from "./values.ts";

/** Taking pods off their nodes: asked of the node that runs the pod, which yields the pod's slot. */

/** `POST pods/NAME/eviction`: refused where a disruption budget or a closed maintenance window keeps the pod. */
export const answerEviction: WriteAnswer = async (context, target, user, request, response) => {
  const { deps } = context;
  const pod = ownPod(deps, target, request, response);
  if (pod === undefined) return;
  const body = await readObject(request);
  const given = child(body, "metadata")["name"];
  if (given !== undefined && given !== "" && given !== target.name)
    throw badRequest(
      `metadata.name: Invalid value: ${JSON.stringify(given)}: the path says ${JSON.stringify(target.name)}`,
    );
  const options = child(body, "deleteOptions");
  checkPreconditions(options, pod);
  if (pod.body.yields !== true && pod.body.phase !== "Terminating") {
    checkWindow(deps, pod);
    const budget = keptBy(pod, deps.view);
    if (budget !== undefined) {
      const { desired, healthy } = budget;
      const message = `The disruption budget ${budget.name} needs ${desired} healthy pods and has ${healthy} currently`;
      throw tooMany("Cannot evict pod as it would violate the pod's disruption budget.", [
        { reason: "DisruptionBudget", message },
      ]);
    }
  }
  if (!isOnlyTried(options, target)) evict(deps, pod, undefined, `evicted by ${user.name}`);
  sendJson(response, 201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
};

/** `DELETE pods/NAME`: its slot is filled again, elsewhere where there is room; a grace period ends it at once. */
export const answerPodDelete: WriteAnswer = async (context, target, user, request, response) => {
  const { deps } = context;
  const pod = ownPod(deps, target, request, response);
  if (pod === undefined) return;
  const options = await readObject(request, {});
  checkPreconditions(options, pod);
  const query = target.query.get("gracePeriodSeconds");
  const grace = options["gracePeriodSeconds"] ?? (query === null ? undefined : Number(query));
  if (grace !== undefined && (typeof grace !== "number" || !Number.isInteger(grace) || grace < 0))
    throw badRequest(
      `gracePeriodSeconds: Invalid value: ${JSON.stringify(grace)}: must be an integer of at least 0`,
    );
  if (!isOnlyTried(options, target))
    evict(deps, pod, grace === undefined ? undefined : seconds(grace), `deleted by ${user.name}`);
  const shown = presentPod(pod, deps.view);
  const metadata = { ...child(shown, "metadata"), deletionTimestamp: timeOf(Date.now()) };
  sendJson(response, 200, { ...shown, metadata });
};

/** The pod, if it is ours; otherwise its node is asked, or the pod is out of view. */
function ownPod(
  deps: ApiDeps,
  { namespace, name }: Target,
  request: IncomingMessage,
  response: ServerResponse,
): PodView | undefined {
  const { view } = deps;
  const pod = podNamed(deps, namespace, name);
  if (pod.node === view.identity.id) return pod;
  if (!pod.current || request.headers["starlight-forwarded"] !== undefined) {
    const where = view.member(pod.node)?.member.name ?? pod.node;
    throw new ApiError(
      504,
      "Timeout",
      `pod ${name} ran on ${where}, which is out of view: only it can end it`,
    );
  }
  deps.forward(pod.node, request, response);
  return undefined;
}

function evict(deps: ApiDeps, { uid }: PodView, within: number | undefined, why: string): void {
  deps.evict({ type: "evict", uid, within, why });
}

function checkWindow({ view }: ApiDeps, pod: PodView): void {
  const name = view.member(pod.node)?.member.name ?? "";
  const object = view.object({ group: "", kind: "Node", namespace: "", name });
  const window = object?.exists === true ? maintenanceOf(object, view.clocks().wall) : undefined;
  if (window?.open !== false) return;
  const message = `the maintenance window of ${name} opens at ${timeOf(window.until)}`;
  throw tooMany(`Cannot evict pod: ${message}`, [{ reason: "MaintenanceWindow", message }]);
}

function checkPreconditions(options: JsonObject, { uid }: PodView): void {
  const wanted = child(options, "preconditions")["uid"];
  if (wanted === undefined || wanted === uid) return;
  throw new ApiError(409, "Conflict", `the pod has the uid ${uid}, not ${JSON.stringify(wanted)}`);
}

/** Clients say it in the body, in the query, or in both. */
const isOnlyTried = ({ dryRun }: JsonObject, target: Target): boolean =>
  (Array.isArray(dryRun) && dryRun.includes("All")) || isDryRun(target);

const tooMany = (message: string, causes: readonly JsonObject[]): ApiError =>
  new ApiError(429, "TooManyRequests", message, { causes: [...causes] });
