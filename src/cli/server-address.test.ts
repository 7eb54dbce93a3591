import assert from "node:assert/strict";
import { test } from "node:test";
import { createProgram } from "./main.ts";

function serverOf(text: string): unknown {
  const program = createProgram();
  program.commands.forEach((command) => command.action(() => {}));
  program.parse(["--server", text, "status"], { from: "user" });
  return program.opts()["server"];
}

test("--server without a port means port 7443, with or without a scheme; a port that is written counts", () => {
  const meant: readonly (readonly [string, string])[] = [
    ["oslo.example", "oslo.example:7443"],
    ["https://oslo.example", "oslo.example:7443"],
    ["HTTPS://oslo.example/", "oslo.example:7443"],
    ["10.0.0.5", "10.0.0.5:7443"],
    ["fd00::5", "[fd00::5]:7443"],
    ["[fd00::5]:8443", "[fd00::5]:8443"],
    ["oslo.example:443", "oslo.example:443"],
    ["https://oslo.example:8443", "oslo.example:8443"],
  ];
  for (const [text, address] of meant) assert.equal(serverOf(text), address, text);
});

test("--server that is no address is refused with what to write", () => {
  for (const text of [
    "",
    "http://oslo.example",
    "https://oslo.example/api",
    "oslo:0",
    "oslo:70000",
    "me@oslo",
  ])
    assert.throws(
      () => serverOf(text),
      /is not the address of a node: write HOST or HOST:PORT, for example/,
      text,
    );
});
