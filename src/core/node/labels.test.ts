import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemberBody, StatusBody } from "../records/bodies.ts";
import { labelsOf } from "./nodes.ts";
import { emptyIndex } from "./records-index.ts";

const member: MemberBody = {
  name: "oslo-1",
  site: "oslo",
  region: "north",
  signKey: "",
  tlsKey: "",
  grants: [],
  labels: {},
  joinedAt: 0,
};
const resources = { cpuMilli: 1, memoryBytes: 1, pods: 1 };
const status: StatusBody = {
  addresses: [],
  capacity: resources,
  allocatable: resources,
  tier: 2,
  os: "linux",
  architecture: "arm64",
  kernel: "6",
  agentVersion: "0",
  bootId: "x",
  agentStartedAt: 0,
  runtimes: [],
};

test("a node labels itself with capabilities, and not with its place, its tier or anybody's own names", () => {
  const labels = {
    "feature.node.kubernetes.io/cpu-cpuid.ASIMD": "true",
    "node.kubernetes.io/instance-type": "Raspberry-Pi-4",
    "node.kubernetes.io/exclude-from-external-load-balancers": "true",
    "node-role.kubernetes.io/control-plane": "true",
    "topology.kubernetes.io/zone": "bern",
    "starlight.dev/tier": "1",
    "starlight.dev/network": "wifi",
    "team/owner": "thief",
  };
  assert.deepEqual(labelsOf(emptyIndex(), member, { ...status, labels }), {
    "feature.node.kubernetes.io/cpu-cpuid.ASIMD": "true",
    "node.kubernetes.io/instance-type": "Raspberry-Pi-4",
    "starlight.dev/network": "wifi",
    "starlight.dev/tier": "2",
    "kubernetes.io/arch": "arm64",
    "kubernetes.io/os": "linux",
    "kubernetes.io/hostname": "oslo-1",
    "topology.kubernetes.io/zone": "oslo",
    "topology.kubernetes.io/region": "north",
  });
});
