import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { machineFiles } from "./files.ts";
import { readMemoryLeft } from "./memory.ts";

/** Files as kernels write them; the numbers are of a machine with 2 GiB. */

const meminfo = [
  "MemTotal:        1998380 kB",
  "MemFree:          211964 kB",
  "MemAvailable:     409600 kB",
  "Buffers:           36208 kB",
].join("\n");
const psi = [
  "some avg10=31.64 avg60=12.11 avg300=3.02 total=48621913",
  "full avg10=22.90 avg60=8.71 avg300=2.15 total=35518802",
].join("\n");

function leftWith(content: { readonly [path: string]: string }): ReturnType<typeof readMemoryLeft> {
  const root = mkdtempSync(join(tmpdir(), "starlight-memory-"));
  try {
    for (const [path, text] of Object.entries(content)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), `${text}\n`);
    }
    return readMemoryLeft(machineFiles(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("400 MiB are left where the kernel says so, and it stood still for 22.9 % of ten seconds", () => {
  const left = leftWith({ "/proc/meminfo": meminfo, "/proc/pressure/memory": psi });
  assert.deepEqual(left, { availableBytes: 400 * 2 ** 20, stalledPercent: 22.9, from: "/proc/meminfo" });
});

test("without pressure stall information nothing stood still", () => {
  assert.equal(leftWith({ "/proc/meminfo": meminfo })?.stalledPercent, 0);
});

test("of the limits around a process the tightest counts, less what the page cache gives back", () => {
  const left = leftWith({
    "/proc/meminfo": meminfo,
    "/proc/self/cgroup": "0::/shop.slice/starlight.service",
    "/sys/fs/cgroup/shop.slice/memory.max": String(600 * 2 ** 20),
    "/sys/fs/cgroup/shop.slice/memory.current": String(560 * 2 ** 20),
    "/sys/fs/cgroup/shop.slice/memory.stat": `anon 1\nfile 7\ninactive_file ${20 * 2 ** 20}\nactive_file 5`,
    "/sys/fs/cgroup/shop.slice/starlight.service/memory.max": "max",
    "/sys/fs/cgroup/shop.slice/starlight.service/memory.current": "1",
  });
  assert.equal(left?.availableBytes, 60 * 2 ** 20);
  assert.equal(left.from, "/sys/fs/cgroup/shop.slice/memory.max");
});

test("in a container the limit is in the root of what it sees", () => {
  const left = leftWith({
    "/proc/meminfo": meminfo,
    "/proc/self/cgroup": "0::/",
    "/sys/fs/cgroup/memory.max": String(300 * 2 ** 20),
    "/sys/fs/cgroup/memory.current": String(300 * 2 ** 20),
  });
  assert.equal(left?.availableBytes, 0);
});

test("a wide limit and controllers of version 1 leave the machine's own word", () => {
  const wide = leftWith({
    "/proc/meminfo": meminfo,
    "/proc/self/cgroup": "4:memory:/a\n0::/a",
    "/sys/fs/cgroup/a/memory.max": String(2 ** 40),
    "/sys/fs/cgroup/a/memory.current": "0",
  });
  assert.equal(wide?.from, "/proc/meminfo");
  assert.equal(
    leftWith({ "/proc/meminfo": meminfo, "/proc/self/cgroup": "4:memory:/a" })?.from,
    "/proc/meminfo",
  );
});

test("nothing is said where no file says how much is left, and garbage is nothing", () => {
  assert.equal(leftWith({}), undefined);
  assert.equal(leftWith({ "/proc/meminfo": "MemAvailable: lots" }), undefined);
});

test("this machine has memory left", () => {
  const left = readMemoryLeft(machineFiles("/"));
  assert.ok(left !== undefined && left.availableBytes > 2 ** 20 && left.stalledPercent <= 100);
});
