import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mutations, whyUnfit } from "./mutants/all.ts";

const sources = fileURLToPath(new URL("../src", import.meta.url));

test("every rule that `npm run mutate` breaks stands in the code once, and has a name of its own", () => {
  assert.deepEqual(
    mutations.flatMap((mutation) => whyUnfit(mutation, sources) ?? []),
    [],
  );
  assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length);
});
