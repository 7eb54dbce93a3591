import { once } from "node:events";
import type { HttpHandler, HttpRequest, HttpResponse } from "../src/ports/http.ts";
import type { Paths } from "../src/ports/transport.ts";
import { createListener, type Listener } from "../src/ports/transport-listener.ts";
import { createTransport, type Http2Transport } from "../src/shells/transport-http2/create-transport.ts";
import { newMember, newMesh, type Mesh } from "../src/shells/transport-http2/testbed.ts";
import { Readable, Writable } from "node:stream";
import { median, type Bench, type Metric } from "./metric.ts";

/**
 * A path through a relay, and one in reverse, against a direct one: three real transports in one process, so
 * the processor is shared by all ends and a relay, which encrypts again, costs as much as it ever will.
 */
export const bench: Bench = {
  about: "throughput and latency through a relay and in reverse against a direct path",
  run,
};

const rounds = 7;
const bytes = 64 * 2 ** 20;
const asksPerRound = 200;

type Node = Listener & { readonly id: string; readonly address: string; readonly transport: Http2Transport };

async function run(progress: (line: string) => void): Promise<readonly Metric[]> {
  const mesh = await newMesh();
  const [a, b, c] = [await start(mesh), await start(mesh), await start(mesh)];
  const paths: {
    readonly [name: string]: { readonly from: Node; readonly to: Node; readonly paths: Paths };
  } = {
    direct: { from: a, to: c, paths: { addresses: [c.address], relays: [] } },
    reverse: { from: b, to: c, paths: { addresses: [], relays: [] } },
  };
  for (const node of [a, c]) {
    node.transport.dial(b.id, [b.address]);
    await Promise.all([node.next("opened"), b.next("opened")]);
  }
  // A second mesh member in the place of `a` that knows no address: its sessions are relayed ones.
  const far = await start(mesh);
  far.transport.dial(b.id, [b.address]);
  await Promise.all([far.next("opened"), b.next("opened")]);
  const all = {
    ...paths,
    relayed: { from: far, to: c, paths: { addresses: [], relays: [b.id] } },
  };
  const rate: { [name: string]: number[] } = { direct: [], reverse: [], relayed: [] };
  const delay: { [name: string]: number[] } = { direct: [], reverse: [], relayed: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, { from, to, paths: ways }] of Object.entries(all)) {
      rate[name]?.push(await throughput(from, to, ways));
      delay[name]?.push(await latency(from, to, ways));
    }
    progress(`round ${round + 1} of ${rounds}`);
  }
  await Promise.all([a, b, c, far].map(({ transport }) => transport.stop()));
  const ratio = (of: string, samples: { readonly [name: string]: readonly number[] }): number =>
    median((samples[of] ?? []).map((value, at) => value / (samples["direct"]?.[at] ?? Number.NaN)));
  const metrics: Metric[] = [];
  for (const name of Object.keys(all)) {
    metrics.push(figure(`${name}: 64 MiB in one answer`, median(rate[name] ?? []), "MiB/s"));
    metrics.push(figure(`${name}: a question and its answer, median`, median(delay[name] ?? []), "ms"));
  }
  metrics.push(goal("relayed / direct throughput", ratio("relayed", rate), 0.1, ">="));
  metrics.push(goal("relayed / direct latency", ratio("relayed", delay), 4, "<="));
  metrics.push(goal("reverse / direct throughput", ratio("reverse", rate), 0.15, ">="));
  metrics.push(goal("reverse / direct latency", ratio("reverse", delay), 3, "<="));
  return metrics;
}

async function start(mesh: Mesh): Promise<Node> {
  const member = await newMember(mesh);
  const listener = createListener();
  const chunk = Buffer.alloc(65_536, 7);
  const handler: HttpHandler = (request, response) => {
    response.writeHead(200);
    if (request.url !== "/big") return void response.end("x");
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        left -= chunk.length;
        if (!response.write(chunk)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  };
  const transport = await createTransport({
    identity: member.identity,
    listen: { host: "127.0.0.1", port: 0 },
    admits: () => true,
    relayBytesPerSecond: 2 ** 40,
    events: listener.events,
    handler,
  });
  return { ...listener, id: member.id, address: `127.0.0.1:${transport.port}`, transport };
}

/** MiB/s of one answer, thrown away as it comes. */
async function throughput(from: Node, to: Node, paths: Paths): Promise<number> {
  let got = 0;
  const response = new Writable({
    write: (chunk: Buffer, _encoding, taken) => {
      got += chunk.length;
      taken();
    },
  });
  Object.assign(response, { headersSent: false, writeHead: () => undefined });
  const request = Object.assign(Readable.from([]), { method: "GET", url: "/big", headers: {} });
  const at = performance.now();
  from.transport.forward(
    to.id,
    paths,
    request as unknown as HttpRequest,
    response as unknown as HttpResponse,
  );
  await once(response, "finish");
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes came`);
  return bytes / 2 ** 20 / ((performance.now() - at) / 1_000);
}

async function latency(from: Node, to: Node, paths: Paths): Promise<number> {
  const samples: number[] = [];
  for (let ask = 0; ask < asksPerRound; ask++) {
    const at = performance.now();
    await from.transport.ask(to.id, paths, "/", AbortSignal.timeout(10_000));
    samples.push(performance.now() - at);
  }
  return median(samples);
}

const shown = (value: number): number => Math.round(value * 100) / 100;

const figure = (name: string, value: number, unit: string): Metric => ({
  name,
  value: shown(value),
  unit,
  goal: "none",
  ok: true,
});

const goal = (name: string, value: number, bound: number, sign: ">=" | "<="): Metric => ({
  name,
  value: shown(value),
  unit: "x",
  goal: `${sign} ${bound}`,
  ok: sign === ">=" ? value >= bound : value <= bound,
});
