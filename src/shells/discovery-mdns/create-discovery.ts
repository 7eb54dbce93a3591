import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { NodeId } from "../../core/records/record.ts";
import type { Discovery, DiscoveryOptions } from "../../ports/discovery.ts";
import { createFloodGuard } from "./flood-guard.ts";
import { isOnLan, type Lan } from "./interfaces.ts";
import { announcement, answer, query, readDatagram, type Question53 } from "./messages.ts";

const group = "224.0.0.251";
const mdnsPort = 5353;
/** Between two questions (RFC 6762, section 5.2). */
const askEveryMs = 1_000;
/** Answers wait a little, so that not everybody speaks at once (section 6). */
const answerDelayMs = { min: 20, max: 120 };
/** The same answer is not said again sooner on a network (section 6). */
const answerEveryMs = 1_000;
const interfacesEveryMs = 15_000;
const knownMax = 24;
/** Half of what an address is good for: who is known is asked again before we forget. */
const knownForMs = 60_000;

export type MdnsOptions = DiscoveryOptions & {
  /** The networks to speak on; asked again as they may change. */
  readonly lans: () => readonly Lan[];
  /** For tests; 5353. */
  readonly port?: number | undefined;
};

type Voice = Lan & { readonly socket: Socket; saidAt: number };

/**
 * Multicast DNS on every network of the machine, IPv4. One socket hears the group; per network one speaks,
 * because a message must leave by a certain interface and say that interface's address.
 */
export async function createMdnsDiscovery(options: MdnsOptions): Promise<Discovery> {
  const { announce, seen, log, lans, port = mdnsPort } = options;
  const guard = createFloodGuard();
  const voices = new Map<string, Voice>();
  const joined = new Set<string>();
  const known = new Map<NodeId, number>();
  const timers = new Set<NodeJS.Timeout>();
  let askedAt = Number.NEGATIVE_INFINITY;
  let stopped: Promise<void> | undefined;

  const ear = createSocket({ type: "udp4", reuseAddr: true });
  ear.on("error", (error) => log(`mDNS: ${error.message}`));
  ear.on("message", (bytes, { address, port: from }) => {
    if (stopped !== undefined || !isOnLan(address, [...voices.values()])) return;
    if (guard.admits(address, performance.now())) heard(bytes, address, from);
  });

  const heard = (bytes: Buffer, from: string, fromPort: number): void => {
    const said = readDatagram(bytes);
    if (said?.type === "question") return asked(said.question, from, fromPort);
    for (const { goodbye, port: itsPort, ...node } of said?.nodes ?? []) {
      if (node.nodeId === announce?.nodeId) continue;
      if (goodbye) known.delete(node.nodeId);
      else {
        if (known.size >= 1_024) known.clear();
        known.set(node.nodeId, performance.now());
        seen({ ...node, address: `${from}:${itsPort}` });
      }
    }
  };

  const asked = (question: Question53, from: string, fromPort: number): void => {
    if (announce === undefined) return;
    const voice = [...voices.values()].find((lan) => isOnLan(from, [lan]));
    if (voice === undefined) return;
    const legacy = fromPort !== port;
    const bytes = answer(question, announce, voice.address, legacy);
    if (bytes === undefined) return;
    if (legacy) return say(voice, bytes, from, fromPort);
    const now = performance.now();
    if (now < voice.saidAt + answerEveryMs) return;
    voice.saidAt = now;
    const { min, max } = answerDelayMs;
    later(min + Math.random() * (max - min), () => say(voice, bytes, group, port));
  };

  const say = ({ socket }: Voice, bytes: Buffer, to: string, toPort: number): void =>
    // What cannot be sent now (no carrier, no route) is asked for again by whoever needs it.
    socket.send(bytes, toPort, to, () => {});

  const later = (delayMs: number, work: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (stopped === undefined) work();
    }, delayMs);
    timer.unref();
    timers.add(timer);
  };

  const sayHello = (voice: Voice): void => {
    if (announce === undefined) return;
    // Twice, a second apart (section 8.3).
    for (const delayMs of [0, 1_000])
      later(delayMs, () => say(voice, announcement(announce, voice.address, false), group, port));
  };

  const lookAtInterfaces = async (): Promise<void> => {
    const wanted = new Map(lans().map((lan) => [lan.address, lan] as const));
    for (const [address, voice] of voices) {
      if (wanted.has(address)) continue;
      voices.delete(address);
      joined.delete(address);
      voice.socket.close();
    }
    for (const lan of wanted.values()) {
      if (voices.has(lan.address)) continue;
      try {
        const socket = await openVoice(lan, port, (error) => log(`mDNS on ${lan.address}: ${error.message}`));
        if (stopped !== undefined) return void socket.close();
        if (!joined.has(lan.address)) ear.addMembership(group, lan.address);
        joined.add(lan.address);
        const voice = { ...lan, socket, saidAt: Number.NEGATIVE_INFINITY };
        voices.set(lan.address, voice);
        sayHello(voice);
      } catch (error) {
        log(`mDNS on ${lan.address}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };

  ear.bind(port);
  await once(ear, "listening");
  ear.unref();
  await lookAtInterfaces();
  const interfaces = setInterval(() => void lookAtInterfaces(), interfacesEveryMs);
  interfaces.unref();

  const stop = async (): Promise<void> => {
    clearInterval(interfaces);
    for (const timer of timers) clearTimeout(timer);
    const farewells = [...voices.values()].map(
      ({ socket, address }) =>
        new Promise<void>((resolve) => {
          if (announce === undefined) return socket.close(resolve);
          socket.send(announcement(announce, address, true), port, group, () => socket.close(resolve));
        }),
    );
    await Promise.all(farewells);
    await new Promise<void>((resolve) => ear.close(resolve));
  };
  return {
    seek: () => {
      const now = performance.now();
      if (stopped !== undefined || now < askedAt + askEveryMs) return;
      askedAt = now;
      for (const [id, at] of known) if (at + knownForMs < now) known.delete(id);
      const bytes = query([...known.keys()].slice(0, knownMax));
      for (const voice of voices.values()) say(voice, bytes, group, port);
    },
    stop: () => (stopped ??= stop()),
  };
}

async function openVoice({ address }: Lan, port: number, failed: (error: Error) => void): Promise<Socket> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  try {
    // Answers must come from the service's port (section 6).
    socket.bind(port, address);
    await once(socket, "listening");
    socket.setMulticastInterface(address);
    socket.setMulticastTTL(255);
    socket.setMulticastLoopback(true);
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on("error", failed);
  socket.unref();
  return socket;
}
