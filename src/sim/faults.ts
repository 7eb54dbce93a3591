import { below, between, pick, shuffled, type Random } from "../core/kernel/random.ts";
import type { Machine } from "./machine.ts";
import { sendForgeries } from "./thief.ts";
import { shortenMemory, sickenWorkload } from "./workload-faults.ts";
import type { World } from "./world.ts";

/** Edge weather: what goes wrong, drawn from the seed. Everything it starts, it also ends. */

type Fault = (world: World, random: Random) => void;

const faults: readonly { readonly weight: number; readonly strike: Fault }[] = [
  { weight: 4, strike: cutSite },
  { weight: 2, strike: cutPair },
  { weight: 2, strike: cutOneWay },
  { weight: 2, strike: splitInTwo },
  { weight: 4, strike: killAgent },
  { weight: 3, strike: pullPlug },
  { weight: 2, strike: rebootIsolated },
  { weight: 2, strike: pauseAgent },
  { weight: 1, strike: jumpClock },
  { weight: 1, strike: fillDisk },
  { weight: 1, strike: flapLink },
  { weight: 2, strike: sendForgeries },
  { weight: 2, strike: sendCourier },
  { weight: 1, strike: loseTime },
  { weight: 2, strike: shortenMemory },
  { weight: 2, strike: sickenWorkload },
];

/** Strikes at random moments of `[from, until)`, on average every `gap` ms. */
export function plantFaults(world: World, from: number, until: number, gap: number): void {
  const random = world.random("faults");
  const total = faults.reduce((sum, { weight }) => sum + weight, 0);
  const strike = (): void => {
    let dice = random() * total;
    const fault = faults.find(({ weight }) => (dice -= weight) < 0);
    fault?.strike(world, random);
  };
  for (let at = from + between(random, 0, 2 * gap); at < until; at += between(random, 0, 2 * gap)) {
    world.at(at, strike);
  }
}

/** Ends all weather at once: links whole, power on, agents up, disks and memory with room, programs sound. Clocks stay as they are. */
export function endFaults(world: World): void {
  world.network.mendAll();
  for (const machine of world.everybody) {
    machine.disk.full = false;
    machine.memory.relieve();
    machine.runtime.cureAll();
  }
  for (const machine of [...world.machines, ...revoked(world)]) {
    setClock(machine);
    machine.powerOn();
    machine.startAgent();
  }
}

/** Nobody has told them, so they go on. */
const revoked = (world: World): Machine[] =>
  world.departed.filter(({ how }) => how !== "left").map(({ machine }) => machine);

function cutSite(world: World, random: Random): void {
  const site = pick(random, world.machines)?.identity.site;
  const inside = world.present.filter((machine) => machine.identity.site === site);
  const outside = world.present.filter((machine) => machine.identity.site !== site);
  cutBetween(world, inside, outside, between(random, 3_000, 60_000), `site ${site} is cut off`);
}

function cutPair(world: World, random: Random): void {
  const [a, b] = shuffled(random, world.machines);
  if (a === undefined || b === undefined) return;
  cutBetween(world, [a], [b], between(random, 2_000, 30_000), `link ${a.name} - ${b.name} is cut`);
}

function cutOneWay(world: World, random: Random): void {
  const [a, b] = shuffled(random, world.machines);
  if (a === undefined || b === undefined) return;
  const duration = between(random, 2_000, 20_000);
  world.trace.add(
    world.now,
    "FAULT",
    `nothing passes from ${a.name} to ${b.name} for ${Math.round(duration)} ms`,
  );
  world.network.cut(a.host, b.host);
  world.at(world.now + duration, () => world.network.mend(a.host, b.host));
}

function splitInTwo(world: World, random: Random): void {
  const mixed = shuffled(random, world.present);
  const size = 1 + below(random, mixed.length - 1);
  const [inside, outside] = [mixed.slice(0, size), mixed.slice(size)];
  const names = inside.map((machine) => machine.name).join(" ");
  cutBetween(world, inside, outside, between(random, 3_000, 40_000), `the mesh splits off ${names}`);
}

function killAgent(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  machine?.killAgent();
  world.at(world.now + between(random, 100, 10_000), () => machine?.startAgent());
}

function pullPlug(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  machine?.powerOff();
  world.at(world.now + between(random, 1_000, 30_000), () => machine?.powerOn());
}

function rebootIsolated(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  if (machine === undefined) return;
  const others = world.present.filter((other) => other !== machine);
  cutBetween(world, [machine], others, between(random, 15_000, 40_000), `${machine.name} is isolated`);
  world.at(world.now + 3_000, () => machine.powerOff());
  world.at(world.now + between(random, 4_000, 10_000), () => machine.powerOn());
}

function pauseAgent(world: World, random: Random): void {
  pick(random, world.machines)?.pause(between(random, 500, 12_000));
}

function jumpClock(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  if (machine === undefined) return;
  machine.skew = between(random, -240_000, 240_000);
  world.trace.add(world.now, "FAULT", `the clock of ${machine.name} is ${Math.round(machine.skew)} ms off`);
}

/** Somebody carries a bundle from one machine to another, whatever lies between them, and takes its time. */
function sendCourier(world: World, random: Random): void {
  const [from, to] = shuffled(random, world.machines);
  const bundle = from?.exportBundle();
  if (from === undefined || to === undefined || bundle === undefined) return;
  world.trace.add(world.now, "FAULT", `a courier takes a bundle from ${from.name} to ${to.name}`);
  world.at(world.now + between(random, 500, 30_000), () => to.importBundle(bundle));
}

const year = 365 * 86_400_000;

/** A machine boots in 1970, or years off, as one without a clock battery does; later somebody sets its clock. */
function loseTime(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  if (machine === undefined || world.machines.some(({ skew }) => Math.abs(skew) > year)) return;
  machine.powerOff();
  machine.skew = pick(random, [-57 * year, -10 * year, 10 * year]) ?? 0;
  world.trace.add(world.now, "FAULT", `${machine.name} boots ${Math.round(machine.skew / year)} years off`);
  world.at(world.now + between(random, 1_000, 5_000), () => machine.powerOn());
  world.at(world.now + between(random, 10_000, 40_000), () => setClock(machine));
}

function setClock(machine: Machine): void {
  if (Math.abs(machine.skew) > year) machine.skew = 0;
}

function fillDisk(world: World, random: Random): void {
  const machine = pick(random, world.machines);
  if (machine === undefined) return;
  machine.disk.full = true;
  world.trace.add(world.now, "FAULT", `the disk of ${machine.name} is full`);
  world.at(world.now + between(random, 500, 8_000), () => {
    machine.disk.full = false;
  });
}

function flapLink(world: World, random: Random): void {
  const [a, b] = shuffled(random, world.machines);
  if (a === undefined || b === undefined) return;
  world.trace.add(world.now, "FAULT", `link ${a.name} - ${b.name} flaps`);
  for (let flap = 0; flap < 4; flap++) {
    world.at(world.now + flap * 5_000, () => {
      world.network.cut(a.host, b.host);
      world.network.cut(b.host, a.host);
    });
    world.at(world.now + flap * 5_000 + between(random, 500, 4_000), () => {
      world.network.mend(a.host, b.host);
      world.network.mend(b.host, a.host);
    });
  }
}

function cutBetween(
  world: World,
  inside: readonly Machine[],
  outside: readonly Machine[],
  duration: number,
  what: string,
): void {
  world.trace.add(world.now, "FAULT", `${what} for ${Math.round(duration)} ms`);
  const pairs = inside.flatMap((a) => outside.map((b) => [a.host, b.host] as const));
  for (const [a, b] of pairs) {
    world.network.cut(a, b);
    world.network.cut(b, a);
  }
  world.at(world.now + duration, () => {
    for (const [a, b] of pairs) {
      world.network.mend(a, b);
      world.network.mend(b, a);
    }
  });
}
