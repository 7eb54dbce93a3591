import { EventQueue } from "../event-queue.ts";
import { countFrom, warmUpS, type Score } from "./score.ts";
import type { Moment, SiteWorld } from "./site-world.ts";

/**
 * The same site with kubelets whose control plane stands in a data centre, with Kubernetes' own timers:
 *
 * - a node is `NotReady` after `node-monitor-grace-period`, 40 s, without a heartbeat, and its pods are
 *   evicted after `tolerationSeconds`, 300 s, more (kube-controller-manager; DefaultTolerationSeconds);
 * - a kubelet runs on what it runs while the control plane is out of its reach, and starts nothing new: it
 *   has no pods on its own disk, so a machine that restarts meanwhile stays empty;
 * - pods of a Deployment that were evicted while out of reach are ended at the return, their replacements
 *   start on nodes that are ready; a StatefulSet's pod is not replaced before its node is back or somebody
 *   deletes it by force.
 *
 * It is generous: scheduling takes no time, there is always room, images are there.
 */
export type HubTimes = {
  readonly notReadyMs: number;
  readonly evictMs: number;
  readonly kubeletStartMs: number;
  readonly podStartMs: number;
  /** Until a person deletes a StatefulSet's pod of a lost machine by force. */
  readonly handMs: number;
};

export const kubernetesTimes: HubTimes = {
  notReadyMs: 40_000,
  evictMs: 300_000,
  kubeletStartMs: 5_000,
  podStartMs: 2_000,
  handMs: 4 * 3_600_000,
};

type HubPod = {
  node: number | undefined;
  running: boolean;
  readyAt: number;
  /** Deleted in the API; its kubelet does not know yet. */
  deleted: boolean;
};

export function runHubSite(
  times: HubTimes,
  nodes: number,
  { replicas, stateful }: { readonly replicas: number; readonly stateful: boolean },
  moments: readonly Moment[],
  endMs: number,
): Score {
  const queue = new EventQueue();
  const counter = countFrom(replicas, warmUpS);
  const pods: HubPod[] = Array.from({ length: replicas }, () => ({
    node: undefined,
    running: false,
    readyAt: 0,
    deleted: false,
  }));
  /** Copies that run on although the API has given them up. */
  let leftovers: HubPod[] = [];
  const kubeletUp = Array.from({ length: nodes }, () => false);
  const lostSince = Array.from({ length: nodes }, () => Number.NEGATIVE_INFINITY);
  let world: SiteWorld = { uplink: true, hub: true, up: [], splitAt: undefined };
  let now = 0;

  // The uplink stands at machine 0's half: the other half of a split site is cut off from the hub too.
  const heard = (node: number): boolean =>
    kubeletUp[node] === true &&
    world.uplink &&
    world.hub &&
    (world.splitAt === undefined || node < world.splitAt);

  const tend = (): void => {
    for (let node = 0; node < nodes; node++) {
      if (heard(node)) lostSince[node] = Number.POSITIVE_INFINITY;
      else if (lostSince[node] === Number.POSITIVE_INFINITY) {
        lostSince[node] = now;
        const patience = times.notReadyMs + times.evictMs;
        queue.schedule(now + patience, tend);
        queue.schedule(now + times.handMs, tend);
      }
    }
    if (world.hub) evict();
    if (world.hub && world.uplink) obey();
    measure();
  };

  const evict = (): void => {
    const patience = stateful ? times.handMs : times.notReadyMs + times.evictMs;
    for (const [at, pod] of pods.entries()) {
      if (pod.node === undefined || now - (lostSince[pod.node] ?? 0) < patience) continue;
      if (pod.running) leftovers.push({ ...pod, deleted: true });
      pods[at] = { node: undefined, running: false, readyAt: 0, deleted: false };
    }
  };

  const obey = (): void => {
    leftovers = leftovers.filter(({ node }) => node !== undefined && !heard(node));
    for (const pod of pods) {
      if (pod.node === undefined) {
        const ready = Array.from({ length: nodes }, (_, node) => node).filter(heard);
        const load = (node: number): number => pods.filter((other) => other.node === node).length;
        const [best] = ready.sort((left, right) => load(left) - load(right) || left - right);
        if (best === undefined) continue;
        pod.node = best;
        if (counter.score.starts >= replicas) counter.score.moves++;
      }
      if (!pod.running && heard(pod.node)) start(pod);
    }
  };

  const start = (pod: HubPod): void => {
    pod.running = true;
    pod.readyAt = now + times.podStartMs;
    counter.score.starts++;
    queue.schedule(pod.readyAt, measure);
  };

  const measure = (): void => {
    const running = [...pods, ...leftovers].filter((pod) => pod.running);
    const ready = running.filter(({ readyAt }) => readyAt <= now);
    counter.set(now / 1000, running.length, ready.length);
  };

  for (const moment of moments) {
    queue.schedule(moment.atS * 1000, () => {
      const before = world;
      world = moment.world;
      for (let node = 0; node < nodes; node++) {
        if (world.up[node] === before.up[node]) continue;
        if (world.up[node] === true) {
          queue.schedule(now + times.kubeletStartMs, () => {
            if (world.up[node] !== true) return;
            kubeletUp[node] = true;
            tend();
          });
          continue;
        }
        kubeletUp[node] = false;
        for (const pod of pods) if (pod.node === node) pod.running = false;
        leftovers = leftovers.filter((pod) => pod.node !== node);
      }
      tend();
    });
  }
  for (let event = queue.next(endMs); event !== undefined; event = queue.next(endMs)) {
    now = event.at;
    event.run();
  }
  return counter.end(endMs / 1000);
}
