import type { Socket } from "node:net";
import type { ProcessId } from "../runtime-process/processes.ts";

/** One JSON object a line. Times are milliseconds since boot, as `createBootClock` tells them. */
export type ToGuard =
  /** Answered before the program is let run. */
  | {
      readonly type: "watch";
      readonly uid: string;
      readonly process: ProcessId;
      /** The control group's `cgroup.kill`; empty where there is none. */
      readonly cgroupKill: string;
      readonly deadline: number;
      readonly termAt: number;
    }
  | { readonly type: "arm"; readonly uid: string; readonly deadline: number; readonly termAt: number }
  | { readonly type: "forget"; readonly uid: string };

export type FromGuard = {
  readonly type: "watching";
  readonly uid: string;
  readonly pid: number;
  /** False when its time is over: the program must not run. */
  readonly ok: boolean;
};

export const socketName = "guard.sock";
const lineMax = 65_536;

export function readLines<T>(socket: Socket, each: (message: T) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineMax) return void socket.destroy();
    for (const line of lines) {
      try {
        each(JSON.parse(line) as T);
      } catch {
        socket.destroy();
      }
    }
  });
}
