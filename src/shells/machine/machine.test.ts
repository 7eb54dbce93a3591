import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Capabilities, MachineHost } from "./contract.ts";
import { createMachine, type Machine, type MachineOptions } from "./create-machine.ts";
import { parseNvidia } from "./gpu.ts";
import { extendedResources, labelsOf, labelValue } from "./labels.ts";
import { parseOverride } from "./overrides.ts";
import { steadyPercent } from "./steady.ts";
import { machineNamed } from "./testbed.ts";
import { thisMachine } from "./this-machine.ts";
import { tierOf } from "./tier.ts";

/** Machines that are not here, from trees of the files that theirs have. */

type Change = Partial<Omit<MachineOptions, "host">> & { readonly host?: Partial<MachineHost> };

async function on(name: string, work: (machine: Machine, root: string) => unknown, change: Change = {}) {
  const { host, root, remove } = machineNamed(name);
  try {
    const options = { folder: "/var/lib/starlight", overrides: [], tier: undefined, ...change };
    await work(createMachine({ ...options, host: { ...host, ...change.host } }), root);
  } finally {
    remove();
  }
}

const seen = (found: Capabilities): unknown => ({
  tier: found.tier.value,
  cores: found.cpu.value.cores,
  cpu: found.cpu.value.name,
  gpus: found.gpus.value.map(
    ({ vendor, product, computes }) => `${vendor} ${product}${computes ? "" : " (screen)"}`,
  ),
  ssd: found.disk.value?.rotational === false,
  engines: found.engines.value,
  tpm: found.tpm.value,
  network: found.network.value,
  power: found.power.value,
});

test("a GPU server with 128 GB is tier 1: two NVIDIA cards, the BMC's adapter only for a screen", () =>
  on("gpu-box", (machine) => {
    assert.deepEqual(seen(machine.look()), {
      tier: 1,
      cores: 2,
      cpu: "Intel(R) Xeon(R) Gold 6426Y",
      gpus: ["nvidia NVIDIA A10", "nvidia NVIDIA A10", "other 102b:0536 (screen)"],
      ssd: true,
      engines: ["containerd", "docker", "runc"],
      tpm: "2.0",
      network: { class: "ethernet", metered: false },
      power: { source: "unknown", batteryPercent: undefined },
    });
    assert.deepEqual(extendedResources(machine.look()), { "nvidia.com/gpu": 2 });
    assert.deepEqual(labelsOf(machine.look()), {
      "feature.node.kubernetes.io/cpu-cpuid.AESNI": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AMXBF16": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AMXINT8": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AMXTILE": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AVX": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AVX2": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AVX512BW": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AVX512F": "true",
      "feature.node.kubernetes.io/cpu-cpuid.AVX512VNNI": "true",
      "feature.node.kubernetes.io/cpu-cpuid.FMA3": "true",
      "feature.node.kubernetes.io/cpu-cpuid.SHA": "true",
      "feature.node.kubernetes.io/cpu-cpuid.VMX": "true",
      "feature.node.kubernetes.io/cpu-hardware_multithreading": "true",
      "feature.node.kubernetes.io/cpu-model.family": "6",
      "feature.node.kubernetes.io/cpu-model.id": "143",
      "feature.node.kubernetes.io/cpu-model.vendor_id": "Intel",
      "feature.node.kubernetes.io/kernel-version.full": "6.6.31-rpt-rpi-v8",
      "feature.node.kubernetes.io/pci-0300_102b.present": "true",
      "feature.node.kubernetes.io/pci-0302_10de.present": "true",
      "feature.node.kubernetes.io/storage-nonrotationaldisk": "true",
      "feature.node.kubernetes.io/system-os_release.ID": "ubuntu",
      "feature.node.kubernetes.io/system-os_release.VERSION_ID": "24.04",
      "node.kubernetes.io/instance-type": "Dell-Inc.-PowerEdge-R760xa",
      "nvidia.com/gpu.count": "2",
      "nvidia.com/gpu.present": "true",
      "nvidia.com/gpu.product": "NVIDIA-A10",
      "starlight.dev/disk": "ssd",
      "starlight.dev/engine.containerd": "true",
      "starlight.dev/engine.docker": "true",
      "starlight.dev/engine.runc": "true",
      "starlight.dev/metered": "false",
      "starlight.dev/network": "ethernet",
      "starlight.dev/power": "unknown",
      "starlight.dev/tpm": "2.0",
    });
  }));

test("NVIDIA's tool is asked once for the same devices, and what it says about memory counts", () => {
  const calls: string[] = [];
  const run = (command: string, args: readonly string[]): Promise<string> => {
    calls.push([command, ...args].join(" "));
    return Promise.resolve("NVIDIA A10, 23028\nNVIDIA A10, 23028\n");
  };
  return on(
    "gpu-box",
    async (machine) => {
      assert.equal(await machine.ask(), true);
      assert.equal(await machine.ask(), false);
      assert.deepEqual(calls, ["nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits"]);
      assert.equal(labelsOf(machine.look())["nvidia.com/gpu.memory"], "23028");
      assert.match(machine.look().gpus.from, /^nvidia-smi /);
    },
    { host: { run } },
  );
});

test("a tool that fails leaves what the driver's files say", () =>
  on("gpu-box", async (machine) => {
    assert.equal(await machine.ask(), false);
    assert.equal(machine.look().gpus.value.length, 3);
  }));

test("a Jetson with 16 GB computes on its GPU and is tier 2", () =>
  on("jetson", (machine) => {
    const found = machine.look();
    assert.deepEqual(seen(found), {
      tier: 2,
      cores: 2,
      cpu: "Cortex-A78AE",
      gpus: ["nvidia NVIDIA Jetson Orin NX Engineering Reference Developer Kit"],
      ssd: true,
      engines: ["docker"],
      tpm: "none",
      network: { class: "wifi", metered: false },
      power: { source: "unknown", batteryPercent: undefined },
    });
    assert.match(found.tier.from, /^rule 2: 16\.3 GB of at least 8 GB; 16\.3 GB are too little for tier 1$/);
    assert.deepEqual(extendedResources(found), { "nvidia.com/gpu": 1 });
    assert.equal(labelsOf(found)["feature.node.kubernetes.io/cpu-cpuid.ASIMDDP"], "true");
  }));

test("a Raspberry Pi with 4 GB is tier 3 and uses its route of the lowest metric", () =>
  on("raspberry-pi", (machine) => {
    const found = machine.look();
    assert.deepEqual(seen(found), {
      tier: 3,
      cores: 2,
      cpu: "Cortex-A72",
      gpus: [],
      ssd: true,
      engines: [],
      tpm: "none",
      network: { class: "ethernet", metered: false },
      power: { source: "unknown", batteryPercent: undefined },
    });
    assert.equal(labelsOf(found)["node.kubernetes.io/instance-type"], "Raspberry-Pi-4-Model-B-Rev-1.4");
    assert.deepEqual(extendedResources(found), {});
  }));

test("a laptop on battery behind an LTE stick is cellular, metered and tier 2: its graphics do not compute", () =>
  on("laptop-lte", (machine) => {
    const found = machine.look();
    assert.deepEqual(seen(found), {
      tier: 2,
      cores: 1,
      cpu: "11th Gen Intel(R) Core(TM) i5-1135G7 @ 2.40GHz",
      gpus: ["intel 8086:9a49 (screen)"],
      ssd: true,
      engines: ["crun", "podman"],
      tpm: "1.2",
      network: { class: "cellular", metered: true },
      power: { source: "battery", batteryPercent: 40 },
    });
    assert.equal(found.network.from, "/proc/net/route (usb0), USB vendor 2c7c");
    assert.match(found.tier.from, /no GPU that computes/);
  }));

test("a folder on another mount is judged by that mount's disk, its name with a space included", () =>
  on("laptop-lte", (machine) => assert.equal(machine.look().disk.value?.rotational, true), {
    folder: "/mnt/usb disk/starlight",
  }));

test("an AMD accelerator is found by the compute topology, and raw IP is a modem", () =>
  on("amd-server", (machine) => {
    const found = machine.look();
    assert.equal(found.tier.value, 1);
    assert.deepEqual(extendedResources(found), { "amd.com/gpu": 1 });
    assert.equal(labelsOf(found)["amd.com/gpu.vram"], "64G");
    assert.equal(labelsOf(found)["starlight.dev/disk"], "hdd");
    assert.equal(found.network.value.class, "cellular");
  }));

test("every override wins over what was measured, and says that it is one", () =>
  on(
    "raspberry-pi",
    (machine) => {
      const found = machine.look();
      assert.deepEqual(seen(found), {
        tier: 1,
        cores: 8,
        cpu: "Cortex-A72",
        gpus: ["nvidia ", "nvidia "],
        ssd: false,
        engines: ["docker", "runc"],
        tpm: "2.0",
        network: { class: "satellite", metered: false },
        power: { source: "battery", batteryPercent: undefined },
      });
      assert.equal(found.disk.value?.totalBytes, 10 * 2 ** 30);
      for (const { from } of [found.cpu, found.gpus, found.network, found.tpm, found.power, found.disk])
        assert.equal(from, "the setting capabilities");
    },
    {
      overrides: [
        "metered=false",
        "cpu=8",
        "memory=64Gi",
        "gpu=nvidia:2",
        "storage=10Gi",
        "disk=hdd",
        "engines=runc+docker",
        "tpm=2.0",
        "network=satellite",
        "power=battery",
        "model=Box",
      ],
    },
  ));

test("the operator's tier wins over the rules", () =>
  on("gpu-box", (machine) => assert.deepEqual(machine.look().tier, { value: 3, from: "the setting tier" }), {
    tier: 3,
  }));

test("a wrong override names what is allowed", () => {
  const wrong = ["gpu=2", "cpu=0", "network=5g", "speed=fast", "tpm", "memory=-1", "toString=1", "engines=A"];
  const errors = wrong.map((text) => {
    const parsed = parseOverride(text);
    return parsed.ok ? "" : parsed.error;
  });
  assert.match(errors[0] ?? "", /^gpu must be none, or vendor:number such as nvidia:2/);
  assert.match(errors[3] ?? "", /^must be name=value, with one of the names cpu, memory, gpu/);
  assert.ok(
    errors.every((error) => error !== ""),
    errors.join("\n"),
  );
});

test("tiers begin at 32 GB with a computing GPU and at 8 GB, a tenth forgiven", () => {
  const gpu = { vendor: "nvidia", product: "", memoryMiB: undefined, computes: true } as const;
  const screen = { ...gpu, computes: false };
  const tier = (memory: number, ...gpus: Parameters<typeof tierOf>[1]): number => tierOf(memory, gpus).value;
  assert.deepEqual([tier(28.8e9, gpu), tier(28.7e9, gpu)], [1, 2]);
  assert.deepEqual([tier(64e9), tier(64e9, screen)], [2, 2]);
  assert.deepEqual([tier(7.2e9), tier(7.1e9), tier(7.1e9, gpu)], [2, 3, 3]);
});

test("what nvidia-smi prints is bounded, and a line that is none is left out", () => {
  assert.deepEqual(parseNvidia("Orin (nvgpu), [N/A]\n\nNo devices were found\nNVIDIA A2, 15356, 3\n"), [
    { vendor: "nvidia", product: "Orin (nvgpu)", memoryMiB: undefined, computes: true },
  ]);
  assert.equal(parseNvidia("NVIDIA A2, 15356\n".repeat(1_000)).length, 64);
});

test("a percentage within 2 of its ten stays as it was told; a battery that drains tells 10 values", () => {
  assert.equal(steadyPercent(undefined, 47), 40);
  assert.deepEqual([steadyPercent(40, 51), steadyPercent(40, 52), steadyPercent(40, 38)], [40, 50, 40]);
  let told: number | undefined;
  let changes = -1;
  for (let now = 100; now >= 0; now -= 0.25) {
    const before = told;
    told = steadyPercent(told, now + (now % 1 === 0 ? 1 : -1));
    if (told !== before) changes++;
  }
  assert.equal(changes, 10);
});

test("any text becomes a label value that Kubernetes takes", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      assert.match(labelValue(text), /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/);
      assert.ok(labelValue(text).length <= 63);
    }),
  );
});

test("this machine has a core, memory, a disk and an architecture", () => {
  const options = { host: thisMachine(), folder: "/tmp", overrides: [], tier: undefined };
  const found = createMachine(options).look();
  assert.ok(found.cpu.value.cores >= 1 && found.memoryBytes.value > 2 ** 28);
  assert.ok((found.disk.value?.totalBytes ?? 0) > 0);
  assert.notEqual(found.architecture.value, "");
});
