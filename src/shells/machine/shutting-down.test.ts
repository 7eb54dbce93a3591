import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isShuttingDown } from "./shutting-down.ts";

test("a machine goes down when systemd says `stopping`, and not when it says anything else or is not there", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "starlight-systemctl-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const systemctl = join(folder, "systemctl");
  const says = async (script: string): Promise<boolean> => {
    writeFileSync(systemctl, `#!/bin/sh\n${script}\n`);
    chmodSync(systemctl, 0o755);
    return isShuttingDown(systemctl, folder);
  };
  assert.equal(await says('[ "$1" = is-system-running ] && echo stopping; exit 1'), true);
  assert.equal(await says("echo running"), false);
  assert.equal(await says("exec sleep 5"), false);
  assert.equal(await isShuttingDown(join(folder, "missing"), folder), false);
  assert.equal(await isShuttingDown(systemctl, join(folder, "no-systemd")), false);
});
