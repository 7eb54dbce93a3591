import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JsonObject } from "../kernel/json.ts";
import type { IntentBody, IntentEntry, IntentField } from "./contract.ts";
import { mergeObject } from "./merge.ts";
import { at, configMap, configMapRef, deployment, deploymentRef, put, Testbed } from "./testbed.ts";

const nodes = 3;
const node = fc.nat(nodes - 1);
const manager = fc.constantFrom("kubectl", "editor", "robot");
const word = fc.constantFrom("x", "y", "z");
const key = fc.constantFrom("a", "b", "c", "d.conf");

type Step =
  | { readonly type: "sync"; readonly one: number; readonly other: number }
  | {
      readonly type: "set";
      readonly at: number;
      readonly manager: string;
      readonly key: string;
      readonly value: string;
    }
  | { readonly type: "drop"; readonly at: number; readonly manager: string; readonly key: string }
  | { readonly type: "delete"; readonly at: number; readonly manager: string }
  | {
      readonly type: "apply";
      readonly at: number;
      readonly manager: string;
      readonly keys: readonly string[];
      readonly value: string;
    };

const sync = fc.record({ type: fc.constant("sync" as const), one: node, other: node });
const set = fc.record({ type: fc.constant("set" as const), at: node, manager, key, value: word });
const drop = fc.record({ type: fc.constant("drop" as const), at: node, manager, key });
const remove = fc.record({ type: fc.constant("delete" as const), at: node, manager });
const apply = fc.record({
  type: fc.constant("apply" as const),
  at: node,
  manager,
  keys: fc.uniqueArray(key),
  value: word,
});

const steps = (...kinds: readonly fc.Arbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 25 });
const anySteps = steps(sync, sync, set, set, drop, remove, apply);

type Play = { readonly recreate: boolean };

function playConfig(history: readonly Step[], play: Play = { recreate: true }): Testbed {
  const bed = new Testbed(configMapRef, nodes);
  for (const step of history) if (play.recreate || !recreates(bed, step)) playConfigStep(bed, step);
  return bed;
}

/** Whether a step would bring back what its node saw deleted. */
function recreates(bed: Testbed, step: Step): boolean {
  return step.type !== "sync" && bed.merged(step.at)?.exists === false;
}

function playConfigStep(bed: Testbed, step: Step): void {
  if (step.type === "sync") return bed.sync(step.one, step.other);
  if (step.type === "delete") {
    bed.delete(step.at, step);
    return;
  }
  if (step.type === "apply") {
    const data = Object.fromEntries(step.keys.map((name) => [name, step.value]));
    bed.apply(step.at, configMap(data), { manager: step.manager, force: true });
    return;
  }
  const held = bed.merged(step.at);
  const data: { [name: string]: string } = held?.exists === true ? { ...(held.value["data"] as {}) } : {};
  if (step.type === "set") data[step.key] = step.value;
  else delete data[step.key];
  bed.update(step.at, configMap(data), { manager: step.manager });
}

/** The same for a Deployment: `key` is a container beside `web`, `value` its image. */
function playDeployment(history: readonly Step[], play: Play = { recreate: true }): Testbed {
  const bed = new Testbed(deploymentRef, nodes);
  for (const step of history) {
    if (!play.recreate && recreates(bed, step)) continue;
    if (step.type === "sync") bed.sync(step.one, step.other);
    else if (step.type === "delete") bed.delete(step.at, step);
    else if (step.type !== "apply") playContainers(bed, step);
  }
  return bed;
}

function playContainers(bed: Testbed, step: Extract<Step, { type: "set" | "drop" }>): void {
  const name = step.key.replace(".", "-");
  const word = step.type === "set" ? step.value : "";
  const held = bed.merged(step.at);
  const value = held?.exists === true ? held.value : deployment();
  const containers = containersOf(value);
  const found = containers.find((container) => container["name"] === name);
  const others = containers.filter((container) => container !== found);
  const changed = {
    ...(found ?? { name, args: [word] }),
    image: found === undefined ? "first" : word,
  };
  const next =
    step.type === "drop"
      ? others
      : found === undefined
        ? [...containers, changed]
        : containers.map((container) => (container === found ? changed : container));
  bed.update(step.at, put(value, "spec/template/spec/containers", next), { manager: step.manager });
}

const containersOf = (value: JsonObject): readonly JsonObject[] =>
  at(value, "spec/template/spec/containers") as readonly JsonObject[];

const everything = (bed: Testbed): IntentEntry[] => {
  bed.syncAll();
  return [...bed.replica(0).held.values()];
};

test("a merge does not depend on the order of the entries, for any history", () => {
  fc.assert(
    fc.property(anySteps, fc.boolean(), fc.infiniteStream(fc.nat(1000)), (history, containers, keys) => {
      const bed = containers ? playDeployment(history) : playConfig(history);
      const entries = everything(bed);
      const keyed = entries.map((entry) => ({ entry, key: keys.next().value ?? 0 }));
      const mixed = keyed.sort((left, right) => left.key - right.key).map(({ entry }) => entry);
      assert.deepEqual(mergeObject(bed.kind, bed.ref, mixed), mergeObject(bed.kind, bed.ref, entries));
    }),
  );
});

test("merging twice what is there, or older records beside newer ones, changes nothing", () => {
  fc.assert(
    fc.property(anySteps, (history) => {
      const bed = playConfig(history);
      const entries = everything(bed);
      const once = mergeObject(bed.kind, bed.ref, entries);
      assert.deepEqual(mergeObject(bed.kind, bed.ref, [...entries, ...entries]), once);
      assert.deepEqual(mergeObject(bed.kind, bed.ref, [...bed.history, ...entries]), once);
    }),
  );
});

test("nodes that have exchanged everything, by any route, see the same object", () => {
  fc.assert(
    fc.property(anySteps, fc.array(fc.tuple(node, node), { maxLength: 6 }), (history, route) => {
      const bed = playConfig(history);
      for (const [one, other] of route) bed.sync(one, other);
      bed.syncAll();
      assert.deepEqual(bed.merged(1), bed.merged(0));
      assert.deepEqual(bed.merged(2), bed.merged(0));
    }),
  );
});

test("a record forgets nothing that counts: the merge equals that of every write ever made", () => {
  for (const [name, play] of [
    ["keys", playConfig],
    ["containers", playDeployment],
  ] as const) {
    fc.assert(
      fc.property(steps(sync, set, set, drop, remove), (history) => {
        const bed = play(history, { recreate: false });
        const merged = mergeObject(bed.kind, bed.ref, everything(bed));
        const ideal = mergeObject(bed.kind, bed.ref, bed.history.map(onlyNews));
        assert.deepEqual(core(merged), core(ideal), name);
      }),
      { numRuns: 300 },
    );
  }
});

test("without deletions every key has the value that was written last", () => {
  fc.assert(
    fc.property(steps(sync, set, set, drop), (history) => {
      const bed = new Testbed(configMapRef, nodes);
      const last = new Map<string, string | undefined>();
      for (const step of history) {
        const before = bed.history.length;
        const shown = step.type === "drop" ? (bed.value(step.at)["data"] as {} | undefined) : undefined;
        playConfigStep(bed, step);
        const path = step.type === "set" ? dataPath(step.key) : "";
        const written = bed.history.slice(before).some((entry) => wrote(entry, path));
        if (written && step.type === "set") last.set(step.key, step.value);
        if (step.type === "drop" && Object.hasOwn(shown ?? {}, step.key)) last.set(step.key, undefined);
      }
      const expected = Object.fromEntries([...last].filter(([, value]) => value !== undefined));
      bed.syncAll();
      assert.deepEqual({ ...(bed.value(0)["data"] as {}) }, expected);
    }),
  );
});

test("no conflict is reported when every write had seen the one before", () => {
  fc.assert(
    fc.property(steps(set, set, drop, remove, apply), (history) => {
      const bed = new Testbed(configMapRef, nodes);
      for (const step of history) {
        bed.syncAll();
        playConfigStep(bed, step);
      }
      bed.syncAll();
      assert.deepEqual(bed.merged(0)?.conflicts ?? [], []);
    }),
  );
});

test("a conflict is reported for a key exactly when two islands gave it different values", () => {
  const edits = fc.array(fc.record({ key, value: word }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(edits, edits, (left, right) => {
      const bed = new Testbed(configMapRef, 2);
      bed.update(0, configMap({ a: "0", b: "0", c: "0", "d.conf": "0" }));
      bed.syncAll();
      const final = [left, right].map((island, here) => {
        for (const { key: name, value } of island) bed.edit(here, `data/${name}`, value);
        return new Map(island.map((edit) => [edit.key, edit.value] as const));
      });
      bed.syncAll();
      const expected = [...(final[0]?.keys() ?? [])]
        .filter((name) => final[1]?.has(name) && final[1]?.get(name) !== final[0]?.get(name))
        .map(dataPath);
      const reported = bed.merged(0)?.conflicts.map(({ path }) => path) ?? [];
      assert.deepEqual([...reported].sort(), expected.sort());
    }),
  );
});

test("the uid and the time of creation stay the same through one life of an object", () => {
  fc.assert(
    fc.property(steps(sync, set, set, drop), (history) => {
      const bed = new Testbed(configMapRef, nodes);
      bed.update(0, configMap({ a: "0" }));
      bed.syncAll();
      const born = bed.merged(0);
      for (const step of history) playConfigStep(bed, step);
      bed.syncAll();
      assert.equal(bed.merged(0)?.uid, born?.uid);
      assert.equal(bed.merged(0)?.createdAt, born?.createdAt);
    }),
  );
});

test("what records remember of the past decides nothing: without it the merge is the same", () => {
  fc.assert(
    fc.property(anySteps, fc.boolean(), (history, containers) => {
      const bed = containers ? playDeployment(history) : playConfig(history);
      const entries = everything(bed);
      const forgetful = entries.map((entry): IntentEntry => {
        const { past: _past, ...body } = entry.body;
        return { ...entry, body };
      });
      const [told, untold] = [entries, forgetful].map((held) => {
        const merged = mergeObject(bed.kind, bed.ref, held);
        return { ...merged, conflicts: merged?.conflicts.map(({ base: _base, ...conflict }) => conflict) };
      });
      assert.deepEqual(untold, told);
    }),
  );
});

const dataPath = (name: string): string => (name.includes(".") ? `data["${name}"]` : `data.${name}`);

/** Whether the entry's newest write is about this leaf: another leaf may be what has changed. */
function wrote({ version, body }: IntentEntry, path: string): boolean {
  return body.writes[body.fields[path]?.write ?? -1]?.version === version;
}

/** The entry as if it held nothing but its last write, under a manager of its own. */
function onlyNews(entry: IntentEntry, at: number): IntentEntry {
  const newest = entry.body.writes.findIndex(({ version }) => version === entry.version);
  const write = entry.body.writes[newest];
  assert.ok(write !== undefined);
  const fields: { [path: string]: IntentField } = {};
  for (const [path, field] of Object.entries(entry.body.fields)) {
    if (field.write === newest) fields[path] = { ...field, write: 0 };
  }
  const body: IntentBody = { class: entry.body.class, writes: [write], fields };
  return { ...entry, manager: `update:${at}`, body };
}

function core(merged: ReturnType<typeof mergeObject>): unknown {
  if (merged === undefined) return undefined;
  const { exists, uid, createdAt, version } = merged;
  // An item that outlived its removal may have lost its place in the list, never what is in it.
  const unordered = (containersOf(merged.value) as readonly JsonObject[] | undefined)?.toSorted(
    (left, right) => (String(left["name"]) < String(right["name"]) ? -1 : 1),
  );
  const value =
    unordered === undefined ? merged.value : put(merged.value, "spec/template/spec/containers", unordered);
  return exists ? { exists, value, uid, createdAt, version } : { exists, version };
}
