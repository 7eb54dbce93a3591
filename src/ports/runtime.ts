import type { Duration, Instant } from "../core/kernel/time.ts";
import type { PodReport, PodStart, PodUid } from "../core/node/contract.ts";

export type RuntimeEvents = {
  /** A pod changed: started, became ready, restarted, failed, ... */
  readonly report: (report: PodReport) => void;
  /** Nothing is left of a pod that was told to stop, or that vanished. */
  readonly gone: (uid: PodUid) => void;
};

export type LogOptions = {
  readonly container?: string | undefined;
  readonly follow: boolean;
  /** Last lines only. */
  readonly tailLines?: number | undefined;
  /** Aborts a follow. */
  readonly signal?: AbortSignal | undefined;
};

/**
 * Runs pods. Workloads do not depend on the agent's life: `adopt` at start finds what still runs, with
 * its probes and restart counts, and goes on supervising it. The runtime restarts containers by their
 * restart policy with backoff; it never starts or ends a pod on its own.
 */
export type Runtime = {
  readonly name: string;
  /** Call once, before anything else. Also cleans up what is left of pods that died meanwhile. */
  readonly adopt: () => Promise<readonly PodReport[]>;
  /** Idempotent by uid. Failures come as reports with phase `Failed` and a reason. */
  readonly start: (pod: PodStart) => void;
  /**
   * An exclusive pod (one with a `fence`) may run until then, by the machine's clock since boot, suspend
   * included. Whatever becomes of the agent, it is ended by then unless it is armed again.
   */
  readonly arm: (uid: PodUid, until: Instant) => void;
  /** SIGTERM, then SIGKILL after `grace`; `gone` when nothing is left. Idempotent. */
  readonly stop: (uid: PodUid, grace: Duration) => void;
  /** The container's output from the beginning or the tail on; undefined for an unknown pod. */
  readonly logs: (uid: PodUid, options: LogOptions) => AsyncIterable<Uint8Array> | undefined;
  /** The memory that each pod uses now, in bytes. Looks at every process of the machine: not for every second. */
  readonly memoryUse: () => ReadonlyMap<PodUid, number>;
  /** Stops supervising; leaves the workloads running. */
  readonly detach: () => Promise<void>;
};
