import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { exitCodes } from "../src/app/exit-codes.ts";
import { createFleet, type Fleet } from "../src/cli/demo/fleet.ts";
import { done, run, type Ran } from "./support/command.ts";
import { eventually } from "./support/poll.ts";

/** What the command line says about Jobs and about places that it only hears of: two sites, detail stays in them. */

const folder = mkdtempSync(join(tmpdir(), "starlight-explain-"));
let started: Fleet | undefined;
before(async () => {
  const layout = [
    { site: "hub", region: "eu.no", nodes: 1 },
    { site: "reno", region: "us", nodes: 1 },
  ];
  started = await createFleet(layout, { progress: () => {}, detail: "site" });
});
after(async () => {
  await started?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function starlight(args: readonly string[], input = ""): Promise<Ran> {
  assert.ok(started !== undefined, "the agents run during tests only");
  const { advertised } = started.node("hub-1");
  return run(["--kubeconfig", started.kubeconfig, "--server", advertised, ...args], input);
}

const job = (name: string, command: string, more: object = {}): string =>
  JSON.stringify({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      annotations: { "starlight.dev/placement": "perSite", "starlight.dev/sites": "name=hub" },
    },
    spec: {
      ...more,
      template: {
        spec: {
          restartPolicy: "Never",
          runtimeClassName: "process",
          containers: [{ name: "main", image: "process", command: ["/bin/sh", "-c", command] }],
        },
      },
    },
  });

test("why and why-not explain a running Job, and why --replay does so again from a file", async () => {
  done(await starlight(["apply", "-f", "-"], job("sum", "exec sleep 1000")));
  await eventually("its pod runs", async () =>
    /runs on hub-1/.test(done(await starlight(["why", "job/sum"]))),
  );
  assert.match(
    done(await starlight(["why-not", "node/hub-1", "for", "job/sum"])),
    /hub-1 for job\/sum, as hub-1 sees it:\n\nsite\/hub\/0: it runs there/,
  );
  const file = join(folder, "sum.json");
  done(await starlight(["why", "job/sum", "--record", file]));
  assert.match(done(await run(["why", "job/sum", "--replay", file])), /site\/hub\/0\n {2}runs on hub-1/);
});

test("plan shows where the pod of a Job would go", async () => {
  const planned = done(await starlight(["plan", "-f", "-"], job("later", "true")));
  assert.match(planned, /job\/later +site\/hub\/0 +starts +hub-1/);
});

test("why tells of a region whose word it is, of the own site that it is counted, and names what there is instead", async () => {
  await eventually("us has been told of", async () => (await starlight(["why", "region/us"])).code === 0);
  assert.match(
    done(await starlight(["why", "region/us"])),
    /^region us, as hub-1 knows it: 1 of 1 nodes are ready\n {2}told \d+ m?s ago by those who speak for it: reno-1\nmore: kubectl describe region us/,
  );
  assert.match(
    done(await starlight(["why", "region/eu"])),
    /^region eu, .* 1 of 1 nodes are ready\n {2}hub: 1 of 1 ready; counted here: /,
  );
  assert.match(
    done(await starlight(["why", "site/hub"])),
    /^site hub in region eu\.no, .*1 of 1 nodes are ready/,
  );
  const absent = await starlight(["why", "site/oslo"]);
  assert.equal(absent.code, exitCodes.failed);
  assert.match(absent.err, /nothing is known of site\/oslo; there are hub/);
});

test("topology takes json, yaml and dot, and names them", async () => {
  for (const format of ["yml", "wide"]) {
    const refused = await starlight(["topology", "-o", format]);
    assert.equal(refused.code, exitCodes.usage);
    assert.match(refused.err, new RegExp(`-o ${format}: use json, yaml or dot`));
  }
});

test("heal-report says that no report is kept, and where what happened is told", async () => {
  assert.match(done(await starlight(["heal-report"])), /^no report is kept; see `kubectl get events`/);
});

test("status counts the pods that are to be ready, and not those of Jobs that are done", async () => {
  done(await starlight(["apply", "-f", "-"], job("quick", "true")));
  await eventually("the job is done", async () =>
    /quick\S* .*Succeeded|quick\S* .*Completed/.test(done(await starlight(["get", "pods"]))),
  );
  assert.match(done(await starlight(["status"])), /^(\d+) of \1 pods ready/m);
});

test("doctor says that there was nothing to try, and whom to ask of nodes elsewhere", async () => {
  await eventually("us has been told of", async () => (await starlight(["why", "region/us"])).code === 0);
  const said = done(await starlight(["doctor"]));
  assert.match(said, /^nothing was tried: hub-1 knows no other node of its site\n/);
  assert.match(said, /detail stays in sites: .*\n {2}region us: reno-1 at 127[.\d]+:\d+/);
  const absent = await starlight(["doctor", "reno-2"]);
  assert.equal(absent.code, exitCodes.failed);
  assert.match(
    absent.err,
    /nodes "reno-2" not found in site hub, and detail stays in sites: ask a node of its site .*; known of other places are region us: reno-1 at 127/,
  );
});
