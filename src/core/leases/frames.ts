import { Reader, Writer } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { isNodeId } from "../records/record.ts";
import { nameLengthMax, numberMax, votersMax, type Roll, type Voter } from "./contract.ts";

/**
 * What nodes say to each other about leases: a version, then messages until the end of the frame. Every
 * count is bounded before it is read; a message of an unknown type ends the frame, so that a newer node can
 * say more.
 */
export type Message =
  /** Who I am as a voter, and the roll I go by; none when I never saw one. */
  | { readonly type: "hello"; readonly electorate: string; readonly memory: string; readonly roll?: Roll }
  /** The same to somebody who is likely to have that roll: who does not says hello, and gets it. */
  | {
      readonly type: "goes-by";
      readonly electorate: string;
      readonly memory: string;
      readonly founding: number;
      readonly number: number;
    }
  /** Promise me these names, by this roll. Epoch and holder together make the claim. */
  | {
      readonly type: "ask";
      readonly electorate: string;
      readonly number: number;
      readonly round: number;
      readonly memory: string;
      readonly claims: readonly Claim[];
    }
  | {
      readonly type: "answer";
      readonly electorate: string;
      readonly number: number;
      readonly round: number;
      readonly memory: string;
      readonly votes: readonly Vote[];
      /** No promise of ours stands that began under an earlier roll. */
      readonly clear: boolean;
      /** With a vote on the roll itself: what was accepted as the next one before. */
      readonly accepted?: Accepted | undefined;
    }
  | { readonly type: "release"; readonly electorate: string; readonly claims: readonly Claim[] }
  /** Take this as the next roll, under the ballot you promised me. `clear`: all voters of this one said so. */
  | {
      readonly type: "accept";
      readonly electorate: string;
      readonly number: number;
      readonly ballot: number;
      readonly clear: boolean;
      readonly next: Roll;
    }
  | {
      readonly type: "accepted";
      readonly electorate: string;
      readonly number: number;
      readonly ballot: number;
      readonly memory: string;
    };

export type Claim = { readonly name: string; readonly epoch: number };
/** `epoch` is the highest one this voter ever promised; `waitMs`: how long its promise to another stands. */
export type Vote = Claim & { readonly granted: boolean; readonly waitMs: number };
export type Accepted = { readonly ballot: number; readonly next: Roll };

const version = 2;
const types = ["hello", "ask", "answer", "release", "accept", "accepted", "goes-by"] as const;
const electorateLengthMax = 300;
const memoryLengthMax = 32;
/** Names in one message; more go in further messages. */
export const claimsMax = 256;
const messagesMax = 1_024;

export function encodeMessages(messages: readonly Message[]): Uint8Array {
  const writer = new Writer().byte(version);
  for (const message of messages) {
    writer.byte(types.indexOf(message.type)).text(message.electorate);
    writeMessage(writer, message);
  }
  return writer.done();
}

export function decodeMessages(bytes: Uint8Array): Result<readonly Message[], string> {
  const reader = new Reader(bytes);
  const spoken = reader.byte();
  // Another version is for other machines; who speaks it votes with its like.
  if (spoken > 0 && spoken !== version) return ok([]);
  if (spoken !== version) return err(`lease frames of version ${spoken}; we speak ${version}`);
  const messages: Message[] = [];
  while (!reader.done) {
    if (messages.length >= messagesMax) return err(`more than ${messagesMax} messages`);
    const type = types[reader.byte()];
    if (type === undefined) break;
    const message = readMessage(reader, type, reader.text(electorateLengthMax));
    if (reader.failed || message === undefined) return err(`a ${type} message is malformed`);
    messages.push(message);
  }
  return ok(messages);
}

function writeMessage(writer: Writer, message: Message): void {
  switch (message.type) {
    case "hello":
      writer.text(message.memory);
      writeRoll(writer, message.roll);
      break;
    case "goes-by":
      writer.text(message.memory).uint(message.founding).uint(message.number);
      break;
    case "ask":
      writer.uint(message.number).uint(message.round).text(message.memory);
      writeClaims(writer, message.claims);
      break;
    case "answer":
      writer.uint(message.number).uint(message.round).text(message.memory).uint(message.votes.length);
      for (const { name, epoch, granted, waitMs } of message.votes) {
        writer
          .text(name)
          .uint(epoch)
          .byte(granted ? 1 : 0)
          .uint(Math.ceil(waitMs));
      }
      writer.byte(message.clear ? 1 : 0).uint(message.accepted?.ballot ?? 0);
      writeRoll(writer, message.accepted?.next);
      break;
    case "release":
      writeClaims(writer, message.claims);
      break;
    case "accept":
      writer
        .uint(message.number)
        .uint(message.ballot)
        .byte(message.clear ? 1 : 0);
      writeRoll(writer, message.next);
      break;
    case "accepted":
      writer.uint(message.number).uint(message.ballot).text(message.memory);
      break;
  }
}

function readMessage(reader: Reader, type: Message["type"], electorate: string): Message | undefined {
  switch (type) {
    case "hello": {
      const memory = reader.text(memoryLengthMax);
      const roll = readRoll(reader);
      return { type, electorate, memory, ...(roll === undefined ? {} : { roll }) };
    }
    case "goes-by": {
      const [memory, founding] = [reader.text(memoryLengthMax), reader.uint()];
      return { type, electorate, memory, founding, number: reader.uint() };
    }
    case "ask": {
      const [number, round, memory] = [reader.uint(), reader.uint(), reader.text(memoryLengthMax)];
      return { type, electorate, number, round, memory, claims: readClaims(reader) };
    }
    case "answer": {
      const [number, round, memory] = [reader.uint(), reader.uint(), reader.text(memoryLengthMax)];
      const votes: Vote[] = [];
      const count = countOf(reader, claimsMax);
      for (let at = 0; at < count && !reader.failed; at++) {
        const [name, epoch, granted] = [reader.text(nameLengthMax), reader.uint(), reader.byte() === 1];
        votes.push({ name, epoch, granted, waitMs: reader.uint() });
      }
      const [clear, ballot, next] = [reader.byte() === 1, reader.uint(), readRoll(reader)];
      const accepted = next === undefined ? undefined : { ballot, next };
      return { type, electorate, number, round, memory, votes, clear, accepted };
    }
    case "release":
      return { type, electorate, claims: readClaims(reader) };
    case "accept": {
      const [number, ballot, clear] = [reader.uint(), reader.uint(), reader.byte() === 1];
      const next = readRoll(reader);
      return next === undefined ? undefined : { type, electorate, number, ballot, clear, next };
    }
    case "accepted": {
      const [number, ballot] = [reader.uint(), reader.uint()];
      return { type, electorate, number, ballot, memory: reader.text(memoryLengthMax) };
    }
  }
}

function writeClaims(writer: Writer, claims: readonly Claim[]): void {
  writer.uint(claims.length);
  for (const { name, epoch } of claims) writer.text(name).uint(epoch);
}

function readClaims(reader: Reader): Claim[] {
  const claims: Claim[] = [];
  const count = countOf(reader, claimsMax);
  for (let at = 0; at < count && !reader.failed; at++) {
    claims.push({ name: reader.text(nameLengthMax), epoch: reader.uint() });
  }
  return claims;
}

/** No voters stand for no roll. */
export function writeRoll(writer: Writer, roll: Roll | undefined): void {
  writer.uint(roll?.voters.length ?? 0);
  if (roll === undefined) return;
  writer.uint(roll.founding).uint(roll.number);
  for (const { id, memory } of roll.voters) writer.text(id).text(memory);
}

export function readRoll(reader: Reader): Roll | undefined {
  const count = countOf(reader, votersMax);
  if (count === 0) return undefined;
  const [founding, number] = [reader.uint(), reader.uint()];
  const voters: Voter[] = [];
  for (let at = 0; at < count && !reader.failed; at++) {
    const [id, memory] = [reader.text(20), reader.text(memoryLengthMax)];
    if (!isNodeId(id)) reader.bytes(-1);
    voters.push({ id, memory });
  }
  if (number < founding || number > numberMax) reader.bytes(-1);
  return { founding, number, voters };
}

/** A count beyond the bound fails the reader. */
function countOf(reader: Reader, max: number): number {
  const count = reader.uint();
  if (count > max) reader.bytes(-1);
  return count > max ? 0 : count;
}
