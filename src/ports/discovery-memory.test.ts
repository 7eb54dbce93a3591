import { discoveryAcceptance } from "./discovery-acceptance.ts";
import { createMemoryLan } from "./discovery-memory.ts";

discoveryAcceptance("memory discovery", () => ({ ...createMemoryLan(), remove: () => Promise.resolve() }));
