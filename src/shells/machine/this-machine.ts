import { execFile } from "node:child_process";
import { statfsSync } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";
import type { MachineHost } from "./contract.ts";
import { machineFiles } from "./files.ts";

const toolTimeoutMs = 10_000;

/** The machine that this process runs on. */
export function thisMachine(): MachineHost {
  return {
    files: machineFiles("/"),
    architecture: architectureOf(process.arch),
    kernel: release().slice(0, 128),
    limits: () => ({ cores: availableParallelism(), memoryBytes: memoryLimit() }),
    space: (path) => {
      try {
        const { bsize, blocks, bavail } = statfsSync(path);
        return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
      } catch {
        return undefined;
      }
    },
    run: (command, args) =>
      new Promise((resolve, reject) => {
        const options = { timeout: toolTimeoutMs, maxBuffer: 64 * 1024, windowsHide: true };
        execFile(command, args, options, (error, stdout) =>
          error === null ? resolve(stdout) : reject(error),
        );
      }),
  };
}

/** As Kubernetes writes it in kubernetes.io/arch. */
function architectureOf(arch: string): string {
  return arch === "x64" ? "amd64" : arch === "ia32" ? "386" : arch;
}

/** The machine's memory, or less where this process's control group has less. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}
