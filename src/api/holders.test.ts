import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemberView, Position } from "../core/node/contract.ts";
import type { ApiDeps } from "./contract.ts";
import { askUntilHeld } from "./holders.ts";

/** Waiting for other members, with members made of answers. */

const author = "aaaaaaaaaaaaaaaaaaaa";
const never = new AbortController().signal;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const says = (holds: boolean): { status: number; text: string } => ({
  status: 200,
  text: JSON.stringify({ holds }),
});

function mesh(
  count: number,
  ask: ApiDeps["ask"],
  options: { readonly positions?: () => readonly Position[]; readonly verdict?: () => string } = {},
): { deps: ApiDeps; members: readonly MemberView[] } {
  const { positions = () => [{ author, version: 7 }], verdict = () => "alive" } = options;
  const member = (id: string): MemberView =>
    ({
      id,
      member: { name: id },
      evidence: { verdict: verdict(), observations: [{ by: "", what: "no link", at: 0 }] },
    }) as unknown as MemberView;
  const view = { member, positions } as unknown as ApiDeps["view"];
  return {
    deps: { view, ask } as ApiDeps,
    members: Array.from({ length: count }, (_, at) => member(`n${at}`)),
  };
}

test("100 members are asked, at most 16 at once, and all hold it", async () => {
  let [now, most, questions] = [0, 0, 0];
  const { deps, members } = mesh(100, async (_node, path) => {
    assert.equal(path, `/starlight/v1/holds?author=${author}&version=7`);
    questions++;
    most = Math.max(most, ++now);
    await pause(2);
    now--;
    return says(true);
  });
  const heard = await askUntilHeld(deps, members, ["slot"], 10_000, never);
  assert.ok(heard.every(({ holds }) => holds));
  assert.deepEqual([questions, most], [100, 16]);
});

test("a member is asked again with longer and longer pauses, 20 to 500 ms, until it holds the write", async () => {
  const times: number[] = [];
  const { deps, members } = mesh(1, () => {
    times.push(performance.now());
    return Promise.resolve(says(times.length === 5));
  });
  const [one] = await askUntilHeld(deps, members, ["slot"], 10_000, never);
  assert.equal(one?.holds, true);
  const pauses = times.slice(1).map((time, at) => time - (times[at] ?? 0));
  pauses.forEach((ms, at) => assert.ok(ms >= 20 * 1.5 ** at - 2, `pause ${at} took ${ms} ms`));
});

test("when time is up, each missing member says why: behind, silent, refusing, out of view", async () => {
  const { deps, members } = mesh(4, (node, _path, signal) => {
    if (node === "n0") return Promise.resolve(says(false));
    if (node === "n1") return Promise.reject(new Error("no route to host"));
    if (node === "n2") return Promise.resolve({ status: 503, text: "" });
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("no answer in time")), { once: true });
    });
  });
  const from = performance.now();
  const heard = await askUntilHeld(deps, members, ["slot"], 200, never);
  assert.ok(performance.now() - from < 1_000);
  assert.deepEqual(
    heard.map(({ holds, why }) => [holds, why]),
    [
      [false, "it does not hold it on disk yet"],
      [false, "no route to host"],
      [false, "it answered 503"],
      [false, "no answer in time"],
    ],
  );
});

test("a member out of view is not asked, and is when it comes back", async () => {
  const from = performance.now();
  let asked = 0;
  const ask: ApiDeps["ask"] = () => {
    asked++;
    return Promise.resolve(says(true));
  };
  const away = mesh(1, ask, { verdict: () => "unreachable" });
  const [missing] = await askUntilHeld(away.deps, away.members, ["slot"], 100, never);
  assert.deepEqual([missing?.holds, missing?.why, asked], [false, "unreachable: no link", 0]);
  const verdict = (): string => (performance.now() - from > 200 ? "alive" : "unreachable");
  const back = mesh(1, ask, { verdict });
  const [there] = await askUntilHeld(back.deps, back.members, ["slot"], 5_000, never);
  assert.deepEqual([there?.holds, asked], [true, 1]);
});

test("what is written again during the question is asked for as it is now", async () => {
  let version = 7;
  const paths: string[] = [];
  const { deps, members } = mesh(
    1,
    (_node, path) => {
      paths.push(path);
      if (paths.length === 1) version = 9;
      return Promise.resolve(says(true));
    },
    { positions: () => [{ author, version }] },
  );
  const [one] = await askUntilHeld(deps, members, ["slot"], 5_000, never);
  assert.equal(one?.holds, true);
  assert.deepEqual(
    paths.map((path) => path.split("=").at(-1)),
    ["7", "9"],
  );
});

test("nobody is asked any more once whoever waits has gone", async () => {
  let asked = 0;
  const { deps, members } = mesh(3, () => {
    asked++;
    return Promise.resolve(says(false));
  });
  const gone = new AbortController();
  setTimeout(() => gone.abort(), 100);
  const from = performance.now();
  await askUntilHeld(deps, members, ["slot"], 60_000, gone.signal);
  assert.ok(performance.now() - from < 2_000);
  const before = asked;
  await pause(200);
  assert.equal(asked, before);
});
