import { fromHex, hex, Reader, Writer } from "../kernel/bytes.ts";
import type { Duration } from "../kernel/time.ts";
import type { NodeId } from "../records/record.ts";

/** What the two ends of a link say to each other about the link itself, and about a third member. */
export type MembershipFrame =
  /**
   * `wall`: what the sender's clock says, in ms since 1970; 0 from a sender that does not tell.
   * `next`: within how many ms the sender is going to give its next sign of life; 0 as for `wall`.
   */
  | { readonly type: "ping"; readonly number: number; readonly wall: number; readonly next: Duration }
  | { readonly type: "pong"; readonly number: number; readonly wall: number }
  /** The deciding end chose this link for all other traffic. */
  | { readonly type: "use" }
  /** A sign of life that wants no answer. */
  | { readonly type: "beat"; readonly next: Duration }
  /** Do you hear this member? We do not. */
  | { readonly type: "probe"; readonly number: number; readonly peer: NodeId }
  /** `saw`: it answered me; it did not answer me either; I have no link with it. */
  | { readonly type: "answer"; readonly number: number; readonly saw: Saw }
  /** This process ends now, and is likely to be back within so long; what its machine runs goes on. */
  | { readonly type: "away"; readonly for: Duration }
  /** The sender needs this link no more and closes it now: that it ends says nothing of either end. */
  | { readonly type: "unneeded" }
  /** A frame of a newer version: a sign of life, and otherwise ignored. */
  | { readonly type: "unknown" };

const saws = ["heard", "lost", "apart"] as const;
export type Saw = (typeof saws)[number];

const types = ["ping", "pong", "use", "beat", "probe", "answer", "away", "unneeded"] as const;
const idBytes = 10;

export function encodeFrame(frame: MembershipFrame): Uint8Array {
  if (frame.type === "unknown") throw new RangeError("an unknown frame cannot be sent");
  const writer = new Writer().byte(types.indexOf(frame.type));
  switch (frame.type) {
    case "ping":
      return writer.uint(frame.number).uint(frame.wall).uint(frame.next).done();
    case "pong":
      return writer.uint(frame.number).uint(frame.wall).done();
    case "use":
    case "unneeded":
      return writer.done();
    case "beat":
      return writer.uint(frame.next).done();
    case "probe":
      return writer
        .uint(frame.number)
        .raw(fromHex(frame.peer) ?? new Uint8Array(idBytes))
        .done();
    case "answer":
      return writer.uint(frame.number).byte(saws.indexOf(frame.saw)).done();
    case "away":
      return writer.uint(frame.for).done();
  }
}

const aboutOthers: ReadonlySet<number> = new Set([types.indexOf("probe"), types.indexOf("answer")]);

/** Whether the frame is about a third member; told without reading it. */
export const isAboutOthers = (bytes: Uint8Array): boolean => aboutOthers.has(bytes[0] ?? types.length);

/** Undefined for anything that is not exactly one frame. */
export function decodeFrame(bytes: Uint8Array): MembershipFrame | undefined {
  const reader = new Reader(bytes);
  const place = reader.byte();
  if (!reader.failed && place >= types.length) return { type: "unknown" };
  const frame = read(reader, types[place]);
  return reader.failed || !reader.done ? undefined : frame;
}

function read(reader: Reader, type: (typeof types)[number] | undefined): MembershipFrame | undefined {
  switch (type) {
    case "ping":
      return { type, number: reader.uint(), wall: reader.uint(), next: reader.uint() };
    case "pong":
      return { type, number: reader.uint(), wall: reader.uint() };
    case "use":
    case "unneeded":
      return { type };
    case "beat":
      return { type, next: reader.uint() };
    case "probe":
      return { type, number: reader.uint(), peer: hex(reader.raw(idBytes)) };
    case "answer": {
      const number = reader.uint();
      const saw = saws[reader.byte()];
      return saw === undefined ? undefined : { type, number, saw };
    }
    case "away":
      return { type, for: reader.uint() };
    case undefined:
      return undefined;
  }
}
