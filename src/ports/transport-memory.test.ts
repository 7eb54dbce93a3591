import { transportAcceptance } from "./transport-acceptance.ts";
import { createMemoryNetwork } from "./transport-memory.ts";

transportAcceptance("memory transport", () => {
  const network = createMemoryNetwork();
  let count = 0;
  return Promise.resolve({
    start: (options) => {
      const id = String(++count).padStart(20, "0");
      const identity = { self: id, tlsKey: `key of ${id}`, address: `memory:${count}` };
      const transport = network.start({ ...identity, ...options });
      return Promise.resolve({ transport, id, tlsKey: identity.tlsKey, address: identity.address });
    },
    emptyAddress: () => Promise.resolve("memory:empty"),
    remove: () => Promise.resolve(),
  });
});
