import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { done, run, type Ran } from "./support/command.ts";
import { eventually } from "./support/poll.ts";

/** Two sites of one real node each that are cut from each other: what people see of it, and how they end it. */

let fleet: Fleet;

before(async () => {
  const sites = ["oslo", "bern"].map((site) => ({ site, region: "north", nodes: 1 }));
  fleet = await createFleet(sites, { progress: () => {} });
});
after(async () => {
  await fleet?.stop();
});

/**
 * The latest time that a command can have been stamped with. What stands of two writes is what was written
 * last by the wall clocks, and a machine's may be set back between them.
 */
let stamped = 0;

/** On the node itself: the address that is advertised is the wire that gets cut. */
async function starlight(at: string, args: readonly string[], input = ""): Promise<Ran> {
  const { server } = await fleet.client(fleet.node(at));
  while (Date.now() <= stamped) await setTimeout(10);
  const [began, timer] = [Date.now(), performance.now()];
  const ran = await run(["--kubeconfig", fleet.kubeconfig, "--server", server, ...args], input);
  stamped = began + performance.now() - timer;
  return ran;
}

const said = async (at: string, ...args: string[]): Promise<string> => done(await starlight(at, args));

type Settings = { readonly [key: string]: string };

async function apply(at: string, name: string, data: Settings, force = true): Promise<string> {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data };
  const flags = force ? ["--force"] : [];
  return done(await starlight(at, ["apply", "-f", "-", ...flags], JSON.stringify(object)));
}

async function dataAt(at: string, name: string): Promise<Settings | undefined> {
  const ran = await starlight(at, ["get", "configmap", name, "-o", "json"]);
  if (ran.code !== 0) return undefined;
  return (JSON.parse(ran.out) as { data: Settings }).data;
}

async function bothHave(name: string, data: Settings | undefined): Promise<void> {
  for (const at of ["oslo-1", "bern-1"]) {
    await eventually(`${at} has ${name} as ${JSON.stringify(data)}`, async () => {
      assert.deepEqual(await dataAt(at, name), data);
      return true;
    });
  }
}

/** Both sides write while they are cut; then they meet, and both show one conflict. */
async function race(
  field: string,
  left: () => Promise<unknown>,
  right: () => Promise<unknown>,
): Promise<void> {
  fleet.wires.cut("bern");
  await eventually("oslo has lost bern", async () =>
    /you see 1 of 2 nodes/.test(await said("oslo-1", "status")),
  );
  await left();
  await right();
  fleet.wires.heal("bern");
  for (const at of ["oslo-1", "bern-1"]) {
    await eventually(`${at} shows the conflict`, async () => (await said(at, "conflicts")).includes(field));
  }
}

async function noneLeft(): Promise<void> {
  for (const at of ["oslo-1", "bern-1"]) {
    await eventually(`${at} has no conflicts`, async () => /no conflicts/.test(await said(at, "conflicts")));
  }
}

test("a conflict shows object, field, both sides, the base and the command for the other side, which ends it", async () => {
  await apply("oslo-1", "prices", { coffee: "3", tea: "2" });
  await bothHave("prices", { coffee: "3", tea: "2" });
  await race(
    "data.coffee",
    () => apply("oslo-1", "prices", { coffee: "4", tea: "2" }),
    () => apply("bern-1", "prices", { coffee: "5", tea: "2" }),
  );
  const text = await said("oslo-1", "conflicts");
  assert.match(text, /^configmap\/prices \(default\): data\.coffee$/m);
  assert.match(
    text,
    /^ {2}1 stands {2}"5" by admin at bern-1, 20\d\d-\S+Z \(manager starlight, apply, class user\)$/m,
  );
  assert.match(text, /^ {2}2 kept {4}"4" by admin at oslo-1, /m);
  assert.match(text, /^ {2}before {4}"3"$/m);
  const command = /take the other side: starlight (.*)$/m.exec(text)?.[1] ?? "";
  assert.equal(command, "resolve configmap/prices data.coffee --take loser");
  const done = await said("oslo-1", ...command.split(" "));
  assert.match(done, /configmap\/prices \(default\): data\.coffee is now "4"\nno conflicts left/);
  await noneLeft();
  await bothHave("prices", { coffee: "4", tea: "2" });
  await apply("bern-1", "prices", { coffee: "6", tea: "2" }, false);
  await bothHave("prices", { coffee: "6", tea: "2" });
});

test("resolve names what there is when object, field, side or value is wrong, and changes nothing", async () => {
  await apply("oslo-1", "wrong", { a: "0" });
  await bothHave("wrong", { a: "0" });
  await race(
    "data.a",
    () => apply("oslo-1", "wrong", { a: "1" }),
    () => apply("bern-1", "wrong", { a: "2" }),
  );
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [["configmap/wrong", "data.b", "--take", "winner"], /no conflict at data\.b; it has: data\.a/],
    [["configmap/wrong", "--take", "winner"], /which field.*data\.a/],
    [
      ["configmap/nothing", "data.a", "--take", "winner"],
      /nothing is known of configmap\/nothing; there are .*wrong/,
    ],
    [
      ["configmap/prices", "data.a", "--take", "winner"],
      /prices has no conflicts; conflicts are in configmap\/wrong/,
    ],
    [["configmap/wrong", "data.a", "--take", "3"], /2 sides: 1 is "2" by admin, 2 is "1" by admin/],
    [["configmap/wrong", "data.a", "--value", "7"], /data\.a: Invalid value: 7: cannot stand there/],
    [["configmap/wrong", "data.a", "--value", "x"], /--value x is not JSON; .*--value '"x"'/],
    [["configmap/wrong", "data.a"], /either --take .* or --value/],
    [["--take", "winner"], /KIND\/NAME and FIELD, or --all/],
    [["rocket/x", "data.a", "--take", "winner"], /no kind is called "rocket"/],
  ];
  for (const [args, expected] of refusals) {
    const ran = await starlight("oslo-1", ["resolve", ...args]);
    assert.notEqual(ran.code, 0, args.join(" "));
    assert.match(ran.err, expected);
  }
  assert.match(
    await said("bern-1", "resolve", "configmap/wrong", ".data.a", "--value", '"9"', "--dry-run"),
    /dry run/,
  );
  assert.match(await said("bern-1", "conflicts"), /data\.a/);
  await said("bern-1", "resolve", "configmap/wrong", ".data.a", "--value", '"9"');
  await noneLeft();
  await bothHave("wrong", { a: "9" });
});

test("a deletion that raced with an edit is ended either way, and both nodes agree", async () => {
  const cases = [
    { name: "deleted-last", last: "delete", take: "loser", data: { a: "1" } },
    { name: "deleted-last-2", last: "delete", take: "winner", data: undefined },
    { name: "edited-last", last: "edit", take: "winner", data: { a: "1" } },
    { name: "edited-last-2", last: "edit", take: "loser", data: undefined },
  ] as const;
  for (const { name } of cases) await apply("oslo-1", name, { a: "0" });
  for (const { name } of cases) await bothHave(name, { a: "0" });
  const remove = (name: string): Promise<unknown> => said("oslo-1", "delete", "configmap", name);
  const edit = (name: string): Promise<unknown> => apply("bern-1", name, { a: "1" });
  await race(
    "deleted here, edited there",
    async () => {
      for (const { name, last } of cases) await (last === "delete" ? edit(name) : remove(name));
    },
    async () => {
      for (const { name, last } of cases) await (last === "delete" ? remove(name) : edit(name));
    },
  );
  for (const at of ["oslo-1", "bern-1"]) {
    await eventually(`${at} shows all four`, async () => {
      return (await said(at, "conflicts")).match(/deleted here, edited there/g)?.length === 4;
    });
  }
  const text = await said("bern-1", "conflicts");
  assert.match(text, /configmap\/deleted-last \(default\).*\n {2}1 stands {2}deleted by admin at oslo-1/);
  assert.match(
    text,
    /configmap\/edited-last \(default\).*\n {2}1 stands {2}\{"data\.a":"1"\} by admin at bern-1/,
  );
  assert.match(text, /starlight resolve configmap\/edited-last '\(object\)' --take loser/);
  for (const { name, take } of cases) {
    await said(
      name.endsWith("2") ? "oslo-1" : "bern-1",
      "resolve",
      `configmap/${name}`,
      "(object)",
      "--take",
      take,
    );
  }
  await noneLeft();
  for (const { name, data } of cases) await bothHave(name, data);
});

test("--all --take winner ends every conflict, of fields and of objects", async () => {
  for (const name of ["one", "two", "three"]) await apply("oslo-1", name, { a: "0" });
  for (const name of ["one", "two", "three"]) await bothHave(name, { a: "0" });
  await race(
    "configmap/three",
    async () => {
      for (const name of ["one", "two"]) await apply("oslo-1", name, { a: "left" });
      await said("oslo-1", "delete", "configmap", "three");
    },
    async () => {
      for (const name of ["one", "two", "three"]) await apply("bern-1", name, { a: "right" });
    },
  );
  assert.match(
    await said("oslo-1", "resolve", "--all", "--take", "winner", "-n", "elsewhere"),
    /no conflicts/,
  );
  await eventually("all three are there", async () => {
    return (await said("oslo-1", "conflicts")).match(/1 stands/g)?.length === 3;
  });
  assert.match(await said("oslo-1", "resolve", "--all", "--take", "winner"), /no conflicts left/);
  await noneLeft();
  for (const name of ["one", "two", "three"]) await bothHave(name, { a: "right" });
});

test("history tells who wrote what on which node, and undo takes it back or says why it cannot", async () => {
  await apply("oslo-1", "settings", { a: "0", b: "0" });
  await bothHave("settings", { a: "0", b: "0" });
  await apply("bern-1", "settings", { a: "1", b: "0" });
  await bothHave("settings", { a: "1", b: "0" });
  const text = await said("oslo-1", "history", "configmap/settings");
  assert.match(text, /\d+ {2}by admin at bern-1, .*\n {2}data\.a = "1", before "0"/);
  assert.match(text, /\d+ {2}made it by admin at oslo-1/);
  const { writes } = JSON.parse(await said("bern-1", "history", "configmap", "settings", "-o", "json")) as {
    writes: readonly { version: number; user: string; made: boolean }[];
  };
  assert.deepEqual(
    writes.map(({ made }) => made),
    [false, true],
  );
  assert.match(await said("oslo-1", "undo", "configmap/settings", "--dry-run"), /data\.a: "1" -> "0"/);
  await bothHave("settings", { a: "1", b: "0" });
  assert.match(await said("oslo-1", "undo", "configmap/settings"), /undid the write by admin at bern-1/);
  await bothHave("settings", { a: "0", b: "0" });
  await said("bern-1", "undo", "configmap/settings", "--to", String(writes[0]?.version));
  await bothHave("settings", { a: "1", b: "0" });
  const early = await starlight("oslo-1", ["undo", "configmap/settings", "--to", "7"]);
  assert.match(early.err, new RegExp(`has no such version; known are .*${writes[0]?.version}`));
  await said("oslo-1", "delete", "configmap", "settings");
  await bothHave("settings", undefined);
  assert.match(await said("bern-1", "history", "configmap/settings"), /deleted; what the records still tell/);
  assert.match(await said("bern-1", "undo", "configmap/settings"), /undid the deletion.*\n {2}it is back/);
  await bothHave("settings", { a: "1", b: "0" });
  const made = await starlight("oslo-1", ["undo", "configmap/settings"]);
  assert.match(
    made.err,
    /made configmap\/settings, so there is nothing before it; starlight delete configmap\/settings/,
  );
});

test("an override written with --class override refuses users' writes by name, and its release gives them back", async () => {
  await apply("oslo-1", "night", { coffee: "3" });
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "night" }, data: { coffee: "5" } };
  done(await starlight("oslo-1", ["apply", "-f", "-", "--class", "override"], JSON.stringify(object)));
  await bothHave("night", { coffee: "5" });
  object.data.coffee = "4";
  const refused = await starlight("bern-1", ["apply", "-f", "-", "--force"], JSON.stringify(object));
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /conflict with "override:starlight": \.data\.coffee/);
  const wrong = await starlight("bern-1", ["apply", "-f", "-", "--class", "boss"], JSON.stringify(object));
  assert.match(wrong.err, /--class boss: use user, git or override/);
  assert.match(
    await said("bern-1", "override", "release", "configmap/night"),
    /configmap\/night \(default\): override:starlight released\n {2}data\.coffee: "5" -> "3"/,
  );
  await bothHave("night", { coffee: "3" });
});
