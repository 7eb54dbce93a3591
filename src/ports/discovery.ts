import type { NodeId } from "../core/records/record.ts";

/** A node that says it is there. Nothing of it is proven: an address to try, with the usual proofs. */
export type Sighting = {
  readonly meshId: NodeId;
  readonly nodeId: NodeId;
  /** `host:port`: the host is where the message came from, never what it says. */
  readonly address: string;
  /** Protocol of the announcement, so that a later one can be told apart. */
  readonly version: number;
};

/** What others on the local network are told; nothing of it is secret. */
export type Announcement = {
  readonly meshId: NodeId;
  readonly nodeId: NodeId;
  readonly port: number;
};

/** Finding nodes on the local network without knowing any address. */
export type Discovery = {
  /** Asks who is there, at most as often as the network bears; answers come as sightings. */
  readonly seek: () => void;
  /** Says goodbye, so that others forget us, and closes. */
  readonly stop: () => Promise<void>;
};

export type DiscoveryOptions = {
  /** Undefined for one who only looks. */
  readonly announce: Announcement | undefined;
  /** Also called for repeated sightings; never for ourselves. */
  readonly seen: (sighting: Sighting) => void;
  readonly log: (message: string) => void;
};
