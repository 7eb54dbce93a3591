import { createAutomerge } from "./automerge.ts";

/** Automerge as an application would use it whose records change one at a time: each is its own change. */
export const peer = createAutomerge("Automerge, a change for each record", (mine) =>
  mine.map((item) => [item]),
);
