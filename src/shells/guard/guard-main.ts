import { unlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { isGroupRunning, signalGroup, type ProcessId } from "../runtime-process/processes.ts";
import { createBootClock } from "./boot-clock.ts";
import { readLines, socketName, type FromGuard, type ToGuard } from "./protocol.ts";

/**
 * The guard: one small process beside the agent that ends exclusive pods whose lease was not renewed. It
 * knows nothing but processes and deadlines, writes nothing to disk, talks to nobody but the agent, and
 * outlives it. Started in the folder that its socket is to be in.
 */

type Guarded = {
  deadline: number;
  termAt: number;
  /** SIGTERM went out: nothing can be armed or started under it any more. */
  doomed: boolean;
  readonly processes: Map<number, ProcessId>;
  cgroupKill: string;
};

const tickMs = 100;
/** With nothing to guard and nobody connected it goes. */
const idleMs = 60_000;

const clock = createBootClock();
const pods = new Map<string, Guarded>();
const clients = new Set<Socket>();
let idleSince = clock.now();

const server = createServer((socket) => {
  clients.add(socket);
  const forget = (): void => void clients.delete(socket);
  socket.on("close", forget);
  socket.on("error", forget);
  readLines<ToGuard>(socket, (message) => {
    const answer = take(message);
    if (answer !== undefined) socket.write(`${JSON.stringify(answer)}\n`);
  });
});

/** Whoever holds the socket is the guard; a socket file that nobody answers on is a dead one's. */
server.on("error", () => {
  const probe = connect(socketName);
  probe.on("connect", () => process.exit(0));
  probe.on("error", () => {
    unlinkSync(socketName);
    server.listen(socketName);
  });
});
server.listen(socketName);
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
writeOomScore();
setInterval(tick, tickMs);

function take(message: ToGuard): FromGuard | undefined {
  tick();
  const { uid } = message;
  const known = pods.get(uid);
  switch (message.type) {
    case "watch": {
      const pod = known ?? { deadline: 0, termAt: 0, doomed: false, processes: new Map(), cgroupKill: "" };
      pods.set(uid, pod);
      if (!pod.doomed && message.deadline > pod.deadline)
        [pod.deadline, pod.termAt] = [message.deadline, message.termAt];
      pod.cgroupKill = message.cgroupKill;
      pod.processes.set(message.process.pid, message.process);
      tick();
      return { type: "watching", uid, pid: message.process.pid, ok: !pod.doomed };
    }
    case "arm":
      if (known !== undefined && !known.doomed && message.deadline > known.deadline) {
        [known.deadline, known.termAt] = [message.deadline, message.termAt];
      }
      return undefined;
    case "forget":
      pods.delete(uid);
      return undefined;
  }
}

function tick(): void {
  const now = clock.now();
  for (const [uid, pod] of pods) {
    if (now < pod.termAt) continue;
    const signal = now >= pod.deadline ? "SIGKILL" : pod.doomed ? undefined : "SIGTERM";
    pod.doomed = true;
    for (const [pid, id] of pod.processes) {
      if (signal !== undefined) signalGroup(id, signal);
      if (now >= pod.deadline && !isGroupRunning(id)) pod.processes.delete(pid);
    }
    if (signal === "SIGKILL") killGroup(pod.cgroupKill);
    if (now >= pod.deadline + idleMs && pod.processes.size === 0) pods.delete(uid);
  }
  if (pods.size > 0 || clients.size > 0) idleSince = now;
  else if (now - idleSince > idleMs) process.exit(0);
}

function killGroup(file: string): void {
  if (file === "") return;
  try {
    writeFileSync(file, "1");
  } catch {
    // The control group is gone, or this kernel has none: the process group was killed.
  }
}

/** The last one to go when memory is short; only root may ask for it. */
function writeOomScore(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", "-900");
  } catch {
    // An ordinary user's guard is an ordinary process.
  }
}
