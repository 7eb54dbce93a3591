import assert from "node:assert/strict";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { test } from "node:test";
import { issueCa } from "../identity-file/certificates.ts";
import { newTlsKey } from "../identity-file/keys.ts";
import type { Probe } from "./pod-spec.ts";
import { runProbe } from "./probes.ts";

const healthy: RequestListener = (request, response) => {
  response.writeHead(request.url === "/health" ? 200 : 404).end();
};

test("a probe of scheme HTTPS passes at a server with a certificate that nobody vouches for", async () => {
  const { privatePem: key } = newTlsKey();
  const cert = await issueCa({ id: "00", name: "self" }, key);
  await listening(createHttpsServer({ key, cert }, healthy), async (port) => {
    assert.equal(await verdict(http({ tls: true }), port), true);
    assert.equal(await verdict(http({ tls: true, path: "/else" }), port), false);
    assert.equal(await verdict(http({ tls: false }), port), false);
  });
});

test("a probe of scheme HTTPS fails at a server that speaks plain HTTP", () =>
  listening(createHttpServer(healthy), async (port) => {
    assert.equal(await verdict(http({ tls: true }), port), false);
    assert.equal(await verdict(http({ tls: false }), port), true);
  }));

test("a probe that names a host asks that host at the port as it stands", () =>
  listening(createHttpServer(healthy), async (port) => {
    assert.equal(await verdict(http({ host: "127.0.0.1", port }), undefined), true);
    assert.equal(await verdict({ type: "tcp", host: "127.0.0.1", port }, undefined), true);
    assert.equal(await verdict({ type: "tcp", host: undefined, port }, undefined), false);
  }));

type Action = Probe["action"];

const http = (given: Partial<Extract<Action, { type: "http" }>>): Action => ({
  type: "http",
  tls: false,
  host: undefined,
  path: "/health",
  port: 80,
  headers: {},
  ...given,
});

/** What the probe says first, of a pod whose every port is at this host port. */
function verdict(action: Action, hostPort: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const times = {
      initialDelayMs: 0,
      periodMs: 10,
      timeoutMs: 5_000,
      successThreshold: 1,
      failureThreshold: 1,
    };
    const target = { address: "127.0.0.1", hostPort: () => hostPort, cwd: "/", env: {} };
    const probe = runProbe({ action, ...times }, target, (passes) => {
      probe.stop();
      resolve(passes);
    });
  });
}

async function listening(server: Server, body: (port: number) => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}
