import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Fence } from "../../core/node/contract.ts";
import { isObject, type Json } from "../../core/kernel/json.ts";
import type { Guard } from "../guard/create-guard.ts";
import type { ProcessId } from "./processes.ts";

/** What an exclusive pod may know of its lease: a file in its folder, replaced whole with every renewal. */
export const fenceFile = "fence.json";

export type OpenFence = {
  readonly admit: (id: ProcessId) => Promise<boolean>;
  readonly arm: (until: number) => void;
  readonly close: () => void;
};

export function openFence(
  uid: string,
  { name, token, until }: Fence,
  folder: string,
  guard: Guard,
  cgroupKill: string,
  expired: () => void,
): OpenFence {
  const file = join(folder, fenceFile);
  let deadline = Math.max(until, heldUntil(file, token));
  let closed = false;
  const write = (): void => {
    try {
      writeFileSync(
        `${file}.new`,
        `${JSON.stringify({ name, token, heldUntilUptimeMs: Math.floor(deadline) })}\n`,
      );
      renameSync(`${file}.new`, file);
    } catch {
      // A full disk: the file says less than is true, and the guard knows.
    }
  };
  write();
  return {
    admit: async (id) => {
      const ok = await guard.watch(uid, id, cgroupKill, deadline);
      // Its guard has ended it, or there is none: it cannot run any more, only another one in its place.
      if (!ok && !closed) expired();
      return ok;
    },
    arm: (longer) => {
      if (longer <= deadline) return;
      deadline = longer;
      guard.arm(uid, deadline);
      write();
    },
    close: () => {
      closed = true;
      guard.forget(uid);
    },
  };
}

/** What an agent before us was granted last. */
function heldUntil(file: string, token: number): number {
  try {
    const said = JSON.parse(readFileSync(file, "utf8")) as Json;
    if (!isObject(said) || said["token"] !== token) return 0;
    return typeof said["heldUntilUptimeMs"] === "number" ? said["heldUntilUptimeMs"] : 0;
  } catch {
    return 0;
  }
}
