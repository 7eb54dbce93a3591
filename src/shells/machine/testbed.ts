import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { MachineHost } from "./contract.ts";
import { machineFiles } from "./files.ts";

/**
 * Machines that are not here, from `test/fixtures/machines/NAME.txt`: `== PATH` begins a file, `-> PATH TARGET`
 * is a symbolic link, `\0` in a line a NUL as the device tree has them.
 */
export function machineNamed(name: string): {
  readonly host: MachineHost;
  readonly root: string;
  readonly remove: () => void;
} {
  const path = fileURLToPath(new URL(`../../../test/fixtures/machines/${name}.txt`, import.meta.url));
  const root = mkdtempSync(join(tmpdir(), "starlight-machine-"));
  const put = (file: string, make: (at: string) => void): void => {
    const at = join(root, file);
    mkdirSync(dirname(at), { recursive: true });
    make(at);
  };
  let file = "";
  let lines: string[] = [];
  const end = (): void => {
    const text = lines.join("\n").replaceAll(/\\0(?!\d)/g, "\0");
    if (file !== "") put(file, (at) => writeFileSync(at, text));
    lines = [];
  };
  for (const line of [...readFileSync(path, "utf8").split("\n"), "== "]) {
    const link = /^-> (\S+) (\S+)$/.exec(line);
    if (link !== null) {
      end();
      file = "";
      const [, from = "", target = ""] = link;
      put(from, (at) => symlinkSync(target, at));
    } else if (line.startsWith("== ")) {
      end();
      file = line.slice(3);
    } else lines.push(line);
  }
  const run = (command: string): Promise<string> => Promise.reject(new Error(`no ${command} here`));
  return {
    root,
    host: {
      files: machineFiles(root),
      architecture: "arm64",
      kernel: "6.6.31+rpt-rpi-v8",
      space: () => ({ totalBytes: 64e9, freeBytes: 20e9 }),
      run,
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
