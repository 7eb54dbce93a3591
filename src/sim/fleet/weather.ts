import { below } from "../../core/kernel/random.ts";
import type { Machine } from "../machine.ts";
import { siteOf, type Fleet } from "./fleet.ts";
import { flapDown, flapUp, type Strike } from "./forecast.ts";

/** Only disks that will be read again keep what is written. Before any machine starts. */
export function prepareDisks(fleet: Fleet, strikes: readonly Strike[]): void {
  for (const machine of fleet.world.machines) machine.disk.keeps = false;
  for (const strike of strikes) for (const machine of restartedBy(fleet, strike)) machine.disk.keeps = true;
}

/** Lets forecast weather happen. Machines that do not belong, or are down already, are passed over. */
export function playWeather(fleet: Fleet, strikes: readonly Strike[], from: number): void {
  for (const strike of strikes) fleet.world.at(from + strike.at, () => happen(fleet, strike));
}

function restartedBy(fleet: Fleet, strike: Strike): readonly Machine[] {
  if (strike.type === "power-cut") return siteOf(fleet, strike.site);
  const restarts = strike.type === "reboot" || strike.type === "agent-restart";
  return restarts ? [fleet.world.machine(strike.host)] : [];
}

function happen(fleet: Fleet, strike: Strike): void {
  const { world } = fleet;
  switch (strike.type) {
    case "site-cut-off":
      return cutOff(fleet, strike.site, strike.forMs);
    case "uplink-flaps":
      return flap(fleet, strike.site, world.now + strike.forMs);
    case "power-cut":
      for (const machine of siteOf(fleet, strike.site))
        powerOff(fleet, machine, Math.max(0, strike.forMs - below(fleet.random, 1_000)));
      return;
    case "reboot":
      return powerOff(fleet, world.machine(strike.host), strike.forMs);
    case "agent-restart":
      return restartAgent(fleet, world.machine(strike.host), strike.forMs);
    case "stall": {
      const machine = world.machine(strike.host);
      if (isUp(fleet, machine)) machine.pause(strike.forMs);
    }
  }
}

function cutOff(fleet: Fleet, site: string, forMs: number): void {
  const { world } = fleet;
  const wall = world.network.wallIn(siteOf(fleet, site).map(({ host }) => host));
  world.at(world.now + forMs, () => world.network.lower(wall));
}

function flap(fleet: Fleet, site: string, until: number): void {
  const { world, random } = fleet;
  if (world.now >= until) return;
  const downMs = Math.min(flapDown(random), until - world.now);
  cutOff(fleet, site, downMs);
  world.at(world.now + downMs + flapUp(random), () => flap(fleet, site, until));
}

function powerOff(fleet: Fleet, machine: Machine, forMs: number): void {
  if (!isUp(fleet, machine)) return;
  machine.powerOff();
  fleet.world.at(fleet.world.now + forMs, () => machine.powerOn());
}

function restartAgent(fleet: Fleet, machine: Machine, forMs: number): void {
  if (!isUp(fleet, machine)) return;
  machine.killAgent();
  fleet.world.at(fleet.world.now + forMs, () => machine.startAgent());
}

const isUp = ({ members }: Fleet, machine: Machine): boolean =>
  members.has(machine) && machine.state === "up";
