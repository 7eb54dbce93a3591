import { Reader, Writer } from "../kernel/bytes.ts";

/** What the two ends of a link say to each other about the link itself. */
export type MembershipFrame =
  /** `wall`: what the sender's clock says, in ms since 1970; 0 from a sender that does not tell. */
  | { readonly type: "ping" | "pong"; readonly number: number; readonly wall: number }
  /** The deciding end chose this link for all other traffic. */
  | { readonly type: "use" }
  /** A sign of life that wants no answer. */
  | { readonly type: "beat" }
  /** A frame of a newer version: a sign of life, and otherwise ignored. */
  | { readonly type: "unknown" };

const types = ["ping", "pong", "use", "beat"] as const;

export function encodeFrame(frame: MembershipFrame): Uint8Array {
  if (frame.type === "unknown") throw new RangeError("an unknown frame cannot be sent");
  const writer = new Writer().byte(types.indexOf(frame.type));
  return (
    frame.type === "use" || frame.type === "beat" ? writer : writer.uint(frame.number).uint(frame.wall)
  ).done();
}

/** Undefined for anything that is not exactly one frame. */
export function decodeFrame(bytes: Uint8Array): MembershipFrame | undefined {
  const reader = new Reader(bytes);
  const place = reader.byte();
  if (!reader.failed && place >= types.length) return { type: "unknown" };
  const type = types[place];
  const bare = type === "use" || type === "beat";
  const number = bare ? 0 : reader.uint();
  const wall = bare ? 0 : reader.uint();
  if (type === undefined || reader.failed || !reader.done) return undefined;
  return type === "use" || type === "beat" ? { type } : { type, number, wall };
}
