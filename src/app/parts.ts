import { createApi } from "../api/create-api.ts";
import { createProcessRuntime } from "../shells/runtime-process/create-process-runtime.ts";
import type { AgentParts } from "./agent.ts";

/** What a real agent is made of. Loaded when an agent starts, so that tests may bring parts of their own. */
export const parts: AgentParts = {
  runtime: createProcessRuntime,
  api: createApi,
};
