import { spawn } from "node:child_process";
import { get as getPlain, type IncomingMessage } from "node:http";
import { get as getOverTls } from "node:https";
import { connect } from "node:net";
import type { Probe } from "./pod-spec.ts";

export type ProbeTarget = {
  readonly address: string;
  /** The host port behind a containerPort number or name. */
  readonly hostPort: (port: number | string) => number | undefined;
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
};

export type RunningProbe = { readonly stop: () => void };

const bodyBytesMax = 64 * 1024;

/** Asks again and again, and says when enough answers in a row agree. */
export function runProbe(
  probe: Probe,
  target: ProbeTarget,
  changed: (passes: boolean) => void,
): RunningProbe {
  let stopped = false;
  let passed: boolean | undefined;
  let inRow = 0;
  let last: boolean | undefined;
  let timer = setTimeout(ask, Math.max(probe.initialDelayMs, firstAskMs));
  function ask(): void {
    void askOnce(probe, target).then((answer) => {
      if (stopped) return;
      inRow = answer === last ? inRow + 1 : 1;
      last = answer;
      const needed = answer ? probe.successThreshold : probe.failureThreshold;
      if (inRow >= needed && passed !== answer) {
        passed = answer;
        changed(answer);
      } else if (!answer && inRow >= needed && inRow % needed === 0) changed(false);
      // Before the first verdict a quick program should not wait for a slow period.
      timer = setTimeout(
        ask,
        passed === undefined
          ? Math.min(probe.periodMs, firstPeriodMs * 2 ** Math.min(inRow, 8))
          : probe.periodMs,
      );
    });
  }
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const firstAskMs = 25;
const firstPeriodMs = 25;

type HttpAction = Extract<Probe["action"], { readonly type: "http" }>;

function askOnce({ action, timeoutMs }: Probe, target: ProbeTarget): Promise<boolean> {
  if (action.type === "exec") return askExec(action.command, timeoutMs, target);
  const { host } = action;
  const port = host === undefined ? target.hostPort(action.port) : Number(action.port);
  if (port === undefined || !Number.isInteger(port)) return Promise.resolve(false);
  return action.type === "tcp"
    ? askTcp(host ?? target.address, port, timeoutMs)
    : askHttp(host ?? target.address, port, action, timeoutMs);
}

function askHttp(
  host: string,
  port: number,
  { tls, path, headers }: HttpAction,
  timeout: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const answered = (response: IncomingMessage): void => {
      const { statusCode = 0 } = response;
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bodyBytesMax) request.destroy();
      });
      response.on("error", () => {});
      resolve(statusCode >= 200 && statusCode < 400);
    };
    const options = { host, port, path, headers, timeout, agent: false } as const;
    const request = tls
      ? getOverTls({ ...options, rejectUnauthorized: false }, answered)
      : getPlain(options, answered);
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}

function askTcp(host: string, port: number, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", () => end(true));
    socket.on("timeout", () => end(false));
    socket.on("error", () => end(false));
  });
}

function askExec(command: readonly string[], timeout: number, { cwd, env }: ProbeTarget): Promise<boolean> {
  return new Promise((resolve) => {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { cwd, env, stdio: "ignore", timeout, killSignal: "SIGKILL" });
    child.on("error", () => resolve(false));
    child.on("exit", (code) => resolve(code === 0));
  });
}
