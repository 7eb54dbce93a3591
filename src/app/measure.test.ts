import assert from "node:assert/strict";
import { test } from "node:test";
import { gpuResources } from "./measure.ts";

test("each NVIDIA device file is one nvidia.com/gpu; control files and other devices are none", () => {
  const devices = ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "null", "dri"];
  assert.deepEqual(gpuResources(devices), { extended: { "nvidia.com/gpu": 2 } });
  assert.deepEqual(gpuResources(["nvidiactl", "null"]), {});
});
