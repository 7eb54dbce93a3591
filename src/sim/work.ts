import { JobChecks } from "./job-checks.ts";
import { JobUsers } from "./job-users.ts";
import { Patience } from "./patience.ts";
import { PlacementChecks } from "./placement-checks.ts";
import { PressureChecks } from "./pressure-checks.ts";
import { Ends } from "./roster-checks.ts";
import { ScarceUsers } from "./scarce-users.ts";
import { sickenOneForGood } from "./workload-faults.ts";
import type { World } from "./world.ts";

/** Work that ends, work for which there is no room, and machines that are bad for it: who asks, and what must hold. */

const lookEvery = 1_000;

export class Work {
  readonly #world: World;
  readonly #jobUsers: JobUsers;
  readonly #jobChecks: JobChecks;
  readonly #scarceUsers: ScarceUsers;
  readonly #placementChecks: PlacementChecks;
  readonly #pressureChecks: PressureChecks;
  readonly #patience: Patience;

  /** @param slack How much longer things take in this world. */
  constructor(world: World, slack: number) {
    this.#world = world;
    this.#jobUsers = new JobUsers(world);
    this.#jobChecks = new JobChecks(world, this.#jobUsers);
    this.#scarceUsers = new ScarceUsers(world);
    this.#placementChecks = new PlacementChecks(world, slack);
    this.#pressureChecks = new PressureChecks(world);
    this.#patience = new Patience(world);
  }

  /** What people ask for while the weather is bad. */
  plan(from: number, until: number): void {
    this.#jobUsers.plan(from, until);
    this.#scarceUsers.plan(from, until);
  }

  /** From `settledAt` on nothing is excused; timers end at `pausedAt`, so that what they leave is forgotten. */
  planCalm(settledAt: number, pausedAt: number): void {
    this.#world.at(settledAt, () => {
      this.#jobChecks.calm();
      this.#placementChecks.calm();
      sickenOneForGood(this.#world, this.#world.random("calm"));
      this.#look();
    });
    this.#jobUsers.planCalm(settledAt + lookEvery);
    this.#world.at(pausedAt, () => {
      this.#jobChecks.everyRunStarted();
      this.#jobUsers.pauseTimers();
    });
  }

  /** What has not come to its end, and how far it is. */
  underWay(): ReadonlySet<string> {
    return this.#jobChecks.underWay();
  }

  atEnd(): void {
    this.#jobChecks.atEnd(new Ends(this.#world));
    this.#placementChecks.atEnd();
    this.#pressureChecks.atEnd();
  }

  #look(): void {
    this.#patience.look(new Map([...this.#jobChecks.wrong(), ...this.#placementChecks.wrong()]));
    this.#world.at(this.#world.now + lookEvery, () => this.#look());
  }
}
