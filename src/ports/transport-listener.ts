import type { DialFailure, LinkEnd, LinkId } from "../core/membership/contract.ts";
import type { ProtocolRange } from "../core/records/protocol.ts";
import type { NodeId } from "../core/records/record.ts";
import type { TransportEvents } from "./transport.ts";

type Told =
  | {
      readonly type: "opened";
      readonly link: LinkId;
      readonly peer: NodeId;
      readonly outbound: boolean;
      readonly speaks?: ProtocolRange | undefined;
      readonly via?: NodeId;
    }
  | { readonly type: "closed"; readonly link: LinkId; readonly end: LinkEnd }
  | {
      readonly type: "dialFailed";
      readonly peer: NodeId;
      readonly why: DialFailure;
      readonly detail: string;
    };

/** Collects what a transport tells, and lets a test wait for it. */
export type Listener = {
  readonly events: TransportEvents;
  /** Everything but frames, in order. */
  readonly told: readonly Told[];
  readonly frames: readonly Uint8Array[];
  /** The next of this type that was not yet taken; waits for it. */
  readonly next: <T extends Told["type"]>(type: T) => Promise<Extract<Told, { readonly type: T }>>;
  readonly count: (type: Told["type"]) => number;
  readonly framesReach: (count: number) => Promise<void>;
  /** Some turns of the event loop, for what should not happen. */
  readonly quiet: () => Promise<void>;
};

/** Long enough for a loaded machine; reached only when a test fails. */
const patienceMs = 20_000;

export function createListener(): Listener {
  const told: Told[] = [];
  const frames: Uint8Array[] = [];
  const taken = new Map<string, number>();
  let wake: (() => void)[] = [];
  const note = (): void => {
    const woken = wake;
    wake = [];
    for (const resolve of woken) resolve();
  };
  const until = async <T>(look: () => T | undefined, what: string): Promise<T> => {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`waited for ${what}; told: ${JSON.stringify(told)}`)),
          patienceMs,
        );
        wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  };
  const tell = (event: Told): void => {
    told.push(event);
    note();
  };
  const ofType = <T extends Told["type"]>(type: T): Extract<Told, { readonly type: T }>[] =>
    told.filter((event): event is Extract<Told, { readonly type: T }> => event.type === type);

  return {
    events: {
      opened: (link, peer, outbound, { speaks, via }) =>
        tell({ type: "opened", link, peer, outbound, speaks, ...(via === undefined ? {} : { via }) }),
      closed: (link, end) => tell({ type: "closed", link, end }),
      dialFailed: (peer, why, detail) => tell({ type: "dialFailed", peer, why, detail }),
      frame: (_link, bytes) => {
        frames.push(bytes);
        note();
      },
    },
    told,
    frames,
    next: (type) => {
      const at = taken.get(type) ?? 0;
      taken.set(type, at + 1);
      return until(() => ofType(type)[at], `${type} number ${at + 1}`);
    },
    count: (type) => ofType(type).length,
    framesReach: async (count) => {
      await until(() => (frames.length >= count ? true : undefined), `${count} frames`);
    },
    quiet: async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
