import { isObject } from "../core/kernel/json.ts";
import type { NodeView, PodView } from "../core/node/contract.ts";
import type { PodBody } from "../core/records/bodies.ts";
import type { MergedObject } from "../core/intents/contract.ts";
import { checkAgreement, isInStep } from "./agreement.ts";
import { hearsLate } from "./budgets.ts";
import type { Machine } from "./machine.ts";
import { jobOf, type SimPod } from "./sim-pod.ts";
import type { Attempt, Users } from "./users.ts";
import { leafOf, workloadNames } from "./users.ts";
import { ExclusiveChecks } from "./exclusive-checks.ts";
import { checkDisks, checkRoster, deletionsHeld, deletionsLeft, Ends } from "./roster-checks.ts";
import type { World } from "./world.ts";
import { isScarce, whyNotPreempted } from "./scarce-users.ts";
import { earliestStamp, isLost, isTorn, isTornAt, voidAttempts } from "./torn.ts";

/**
 * What must always hold, and what must hold once things have calmed down. The checks look at the
 * world's own truth (processes, disks, what users were told), not at what the nodes believe.
 */

type PodLife = {
  readonly machine: Machine;
  /** What it was claimed as. */
  readonly body: PodBody | undefined;
  readonly startedAt: number;
  endedAt: number | undefined;
  surplus: boolean;
};

/** Longest time a node may take to notice that a pod elsewhere is gone. */
const noticeMax = 15_000;
/** A pod whose claim died with its agent before it was on disk is stopped when it is younger than this. */
const orphanAgeMax = 90_000;

/** The patience that the users' mesh-wide workloads ask for. */
const lostAfter = 5_000;
const lostBySiteAfter = 600;

export class Checks {
  readonly #world: World;
  readonly #users: Users;
  readonly #lives = new Map<string, PodLife>();
  readonly #exclusive: ExclusiveChecks;
  #lastChange = 0;

  constructor(world: World, users: Users) {
    this.#world = world;
    this.#users = users;
    this.#exclusive = new ExclusiveChecks(world);
    world.observers.push({
      podStarted: (machine, pod) => {
        if (jobOf(pod.start) !== undefined) return;
        if (!isScarce(pod.start)) this.#lastChange = world.now;
        this.#exclusive.started(machine, pod);
        const { uid } = pod.start;
        const body = machine.node?.view.pod(uid)?.body;
        this.#lives.set(uid, { machine, body, startedAt: world.now, endedAt: undefined, surplus: false });
      },
      podStopping: (machine, pod, reason) => {
        if (jobOf(pod.start) === undefined) this.#stopping(machine, pod, reason);
      },
      noted: (machine, note) => {
        if (note.reason === "PodClaimed") this.#notTooEarly(machine, note.message.split(" ")[0] ?? "");
        // Nobody breaks the protocol here, and whoever is a member can prove it to all that it reaches.
        const member = world.machines.find(({ identity }) => note.message.includes(` of ${identity.id}: `));
        const isHeldBack =
          note.message.endsWith("did not show who it is") &&
          member !== undefined &&
          this.#isOutOfReach(machine, member);
        const isRefused = note.reason === "StrangerRefused" && member !== undefined && !isHeldBack;
        if (note.reason === "ProtocolError" || isRefused) world.violated(`${machine.name}: ${note.message}`);
      },
    });
  }

  /** What it sent since a link opened may have been held back by a cut, or it stands still or is off. */
  #isOutOfReach(machine: Machine, other: Machine): boolean {
    return other.state !== "up" || this.#world.network.isCut(other.host, machine.host);
  }

  /**
   * 1. No healthy workload is ended by a partition, a heal or an agent's restart: whoever stops a pod has
   * one of the few good reasons, and the world agrees that it is true.
   */
  #stopping(machine: Machine, pod: SimPod, reason: string): void {
    const { uid } = pod.start;
    const life = this.#lives.get(uid);
    if (life !== undefined) life.endedAt = this.#world.now;
    if (!isScarce(pod.start)) this.#lastChange = this.#world.now;
    const view = machine.node?.view;
    // What runs on after the end of a membership is nobody's workload.
    if (view === undefined || !this.#world.machines.includes(machine)) return;
    const wrong = this.#whyWrong(view, pod, reason, life?.startedAt ?? 0);
    if (wrong !== undefined) {
      this.#world.violated(`1: ${machine.name} stops the healthy ${pod.start.name} (${reason}): ${wrong}`);
    }
  }

  #whyWrong(view: NodeView, pod: SimPod, reason: string, startedAt: number): string | undefined {
    const { uid } = pod.start;
    const body = view.pod(uid)?.body;
    if (reason === "unknown pod") {
      return this.#world.now - startedAt < orphanAgeMax ? undefined : "its claim was on disk long ago";
    }
    if (reason === "stopping") return undefined;
    if (body === undefined) return "it has no fact";
    const object = view.object(body.workload);
    const rivals = view
      .pods()
      .filter((other) => other.uid !== uid && other.body.slot === body.slot)
      .filter((other) => other.body.workload.name === body.workload.name && this.#isOrWasAlive(other.uid));
    if (reason.startsWith("surplus")) {
      const life = this.#lives.get(uid);
      if (life !== undefined) life.surplus = true;
      const staying = [...rivals, ...this.#aboutToStart(view, body)].some(
        (other) => other.uid !== uid && this.#lives.get(other.uid)?.surplus !== true,
      );
      return staying || this.#believesLate(view, uid, body) ? undefined : "no other copy stays in its slot";
    }
    // Without a lease it has to go, whatever the world says.
    if (reason.startsWith("lease-lost")) return body.fence === undefined ? "it needs no lease" : undefined;
    if (reason.startsWith("updated")) {
      const perNode = body.slot.startsWith("node/") || body.fence !== undefined;
      if (perNode || rivals.length > 0 || this.#believesLate(view, uid, body)) return undefined;
      return "no newer copy fills its slot";
    }
    const isScaledDown = reason.startsWith("scaled-down");
    if (isScaledDown || reason.startsWith("deleted")) {
      if (object?.exists !== true || !slotsOf(this.#world, object).has(body.slot)) return undefined;
      if (isScaledDown && this.#hasMoved(uid, body, object)) return undefined;
      // An object whose maker wrote it after its end has no template, and wants nothing.
      const by = this.#world.machine(this.#world.hostOf(view.identity.id));
      const torn =
        leafOf(object.value, "version") === undefined &&
        isTornAt(by, object.ref.name, this.#world, this.#users);
      return torn ? undefined : "its workload exists and wants it";
    }
    // Of a machine that is short of memory: see 18.
    if (reason.toLowerCase().startsWith("evicted") && reason.includes("low on resource")) return undefined;
    if (reason.startsWith("evicted")) return body.yields === true ? undefined : "nobody drains its node";
    if (reason.startsWith("preempted")) return whyNotPreempted(pod, reason);
    return "not a reason that this world gives";
  }

  /**
   * A mesh-wide slot that another site was given: it has a ready copy, with an agent or without; or had one, until
   * its power was lost or its membership ended, which is heard of as late as everything else.
   */
  #hasMoved(uid: string, body: PodBody, object: MergedObject): boolean {
    if (!body.slot.startsWith("mesh/")) return false;
    const { now, machines } = this.#world;
    const isElsewhere = [...this.#lives].some(([other, life]) => {
      if (other === uid || life.body?.slot !== body.slot) return false;
      if (life.body.workload.name !== body.workload.name) return false;
      if (life.machine.pods.get(other)?.ready === true) return true;
      const isThere = machines.includes(life.machine) && life.machine.state !== "off";
      return !isThere && (life.endedAt ?? now) > now - noticeMax;
    });
    return isElsewhere || isGivenUp(this.#world, body, object);
  }

  /** A copy of the slot that it knows of is where words come from late: it may have gone. */
  #believesLate(view: NodeView, uid: string, { slot, workload }: PodBody): boolean {
    const here = this.#world.machine(this.#world.hostOf(view.identity.id));
    return view.pods().some(({ uid: other, node, body, current }) => {
      if (other === uid || body.slot !== slot || body.workload.name !== workload.name) return false;
      return current && hearsLate(here, this.#world.machine(this.#world.hostOf(node)));
    });
  }

  /** Copies of the same slot that are claimed by a machine that is up, and do not run yet. */
  #aboutToStart(view: NodeView, { slot, workload }: PodBody): readonly PodView[] {
    return view.pods().filter(({ uid, node, body }) => {
      if (body.slot !== slot || body.workload.name !== workload.name || this.#lives.has(uid)) return false;
      return this.#world.machine(this.#world.hostOf(node)).state === "up";
    });
  }

  /** 9. A copy out of reach is replaced after its workload's patience, never before. */
  #notTooEarly(machine: Machine, name: string): void {
    const view = machine.node?.view;
    const claim = view?.pods().find((pod) => pod.body.name === name);
    const body = claim?.body;
    const object = body === undefined ? undefined : view?.object(body.workload);
    if (view === undefined || body === undefined || object === undefined) return;
    // An exclusive copy is replaced as soon as a majority lets go of it: see 11.
    if (body.fence !== undefined) return;
    const asked = object.ref.name === "ledger" || object.ref.name === "camera" ? lostAfter : undefined;
    for (const other of view.pods()) {
      const sameSlot = other.body.slot === body.slot && other.body.workload.name === body.workload.name;
      if (!sameSlot || other.uid === claim?.uid || other.body.revision !== body.revision) continue;
      const evidence = view.member(other.node)?.evidence;
      if (evidence?.verdict !== "unreachable" || !isRunning(other)) continue;
      const away = this.#world.now - evidence.since;
      if (away >= (asked ?? (evidence.lostBySite ? lostBySiteAfter : 10_000))) continue;
      this.#world.violated(
        `9: ${machine.name} replaces ${other.body.name} of ${body.slot} ${Math.round(away)} ms after its node went out of reach`,
      );
    }
  }

  #isOrWasAlive(uid: string): boolean {
    const life = this.#lives.get(uid);
    if (life === undefined) return false;
    const stillThere = life.endedAt === undefined && life.machine.pods.has(uid);
    return stillThere || (life.endedAt ?? this.#world.now) > this.#world.now - noticeMax;
  }

  /** Whether a word is still under way, and what is deleted, ought to be forgotten, and is still held. */
  underWay(): { readonly words: boolean; readonly deletions: ReadonlySet<string> } {
    return { words: !isInStep(this.#world), deletions: deletionsLeft(this.#world, new Ends(this.#world)) };
  }

  /** Everything that must hold at the end of the calm, whose last weather was put right by `settledAt`. */
  atEnd(settledAt: number): void {
    const ends = new Ends(this.#world);
    checkRoster(this.#world);
    checkAgreement(this.#world);
    checkDisks(this.#world, ends);
    this.#nothingLost(ends);
    this.#everySlotFilledOnce(ends);
    this.#exclusive.atEnd();
    const moving = this.#lastChange > settledAt + 0.75 * (this.#world.now - settledAt);
    for (const what of deletionsHeld(this.#world, ends)) this.#world.violated(`10: ${what}`);
    if (moving) this.#world.violated("7: pods still start or stop long after everything is calm");
  }

  /** 4. No acknowledged write is lost: the value that stands is it, or one written later. */
  #nothingLost(ends: Ends): void {
    const view = this.#world.machines[0]?.node?.view;
    if (view === undefined) return;
    const voids = voidAttempts(this.#world, this.#users, ends);
    this.#voidsCountNowhere(voids);
    const counting = this.#users.attempts.filter((attempt) => !attempt.refused && !voids.has(attempt));
    for (const name of workloadNames) {
      const attempts = counting.filter(({ object }) => object === name);
      if (this.#users.deletions.some(({ object }) => object === name)) continue;
      const kept = attempts.filter((attempt) => !isLost(attempt, voids));
      if (!kept.some(({ acknowledged }) => acknowledged !== undefined)) continue;
      const object = findWorkload(view, name);
      if (object === undefined) {
        this.#world.violated(`4: ${name} was created, never deleted, and does not exist`);
        continue;
      }
      // A variable is not shown when the container around it went with the object's maker.
      const torn = isTorn(name, this.#users, voids);
      for (const leaf of new Set(attempts.map((attempt) => attempt.leaf)))
        if (leaf !== "version" || !torn) this.#leafKept(object, leaf, attempts, voids);
    }
  }

  /** 14. What somebody wrote after the end of its membership stands nowhere. */
  #voidsCountNowhere(voids: ReadonlySet<Attempt>): void {
    for (const { name, node } of this.#world.machines) {
      for (const attempt of voids) {
        const object = node === undefined ? undefined : findWorkload(node.view, attempt.object);
        if (object === undefined || attempt.leaf === "replicas") continue;
        if (leafOf(object.value, attempt.leaf) !== attempt.value || this.#isCarried(attempt, voids)) continue;
        const what = `${attempt.object} ${attempt.leaf} = ${JSON.stringify(attempt.value)}`;
        this.#world.violated(`14: at ${name} stands ${what}, which ${attempt.by} wrote after its end`);
      }
    }
  }

  /** Whether somebody whose word counts wrote a whole object that has it: of what becomes void then, that is said anew. */
  #isCarried({ object, leaf, value, at }: Attempt, voids: ReadonlySet<Attempt>): boolean {
    return this.#users.attempts.some(
      (other) =>
        other.object === object && other.at > at && !voids.has(other) && leafOf(other.sent, leaf) === value,
    );
  }

  #leafKept(
    object: MergedObject,
    leaf: string,
    attempts: readonly Attempt[],
    voids: ReadonlySet<Attempt>,
  ): void {
    const onLeaf = attempts.filter((attempt) => attempt.leaf === leaf);
    const sure = onLeaf.filter((attempt) => !isLost(attempt, voids));
    const newest = Math.max(0, ...sure.map((attempt) => earliestStamp(this.#world, attempt)));
    if (newest === 0) return;
    const value = leafOf(object.value, leaf);
    const may = onLeaf.filter(({ acknowledged }) => acknowledged === undefined || acknowledged >= newest);
    if (may.some((attempt) => attempt.value === value)) return;
    const expected = may.map((attempt) => JSON.stringify(attempt.value)).join(" or ");
    this.#world.violated(
      `4: ${object.ref.name} ${leaf} is ${JSON.stringify(value)}, acknowledged was ${expected}`,
    );
  }

  /** 5. Every wanted slot runs exactly once, ready, at the wanted revision; 6. nothing else runs. */
  #everySlotFilledOnce(ends: Ends): void {
    const view = this.#world.machines[0]?.node?.view;
    if (view === undefined) return;
    const running = new Map<string, string[]>();
    for (const machine of this.#world.machines) {
      for (const [uid, pod] of machine.pods) {
        if (jobOf(pod.start) !== undefined || isScarce(pod.start)) continue;
        const body = machine.node?.view.pod(uid)?.body;
        const place = body === undefined ? `? ${pod.start.name}` : `${body.workload.name} ${body.slot}`;
        const version = pod.start.env["main"]?.["VERSION"] ?? "";
        const entry = `${machine.name} ${version}${pod.ready ? "" : " not ready"}`;
        running.set(place, [...(running.get(place) ?? []), entry]);
      }
    }
    const voids = voidAttempts(this.#world, this.#users, ends);
    for (const name of workloadNames) {
      const object = findWorkload(view, name);
      // What is left of an object whose maker wrote it after its own end has no template, and wants nothing.
      const version = object === undefined ? undefined : leafOf(object.value, "version");
      const whole = object !== undefined && (version !== undefined || !isTorn(name, this.#users, voids));
      for (const slot of whole ? slotsOf(this.#world, object) : []) {
        const place = `${name} ${slot}`;
        const copies = running.get(place) ?? [];
        running.delete(place);
        const wanted = String(version);
        const [only = ""] = copies;
        const isExclusive = object?.ref.kind === "StatefulSet";
        if (isExclusive && copies.length === 0 && this.#exclusive.hasNoVoters(slot)) continue;
        if (copies.length !== 1 || only.split(" ")[1] !== wanted || only.endsWith("not ready")) {
          this.#world.violated(`5: ${place} should run once at ${wanted}, runs [${copies.join(", ")}]`);
        }
      }
    }
    for (const [place, copies] of running) {
      this.#world.violated(`6: ${place} runs on ${copies.join(", ")} and nobody wants it`);
    }
  }
}

function findWorkload(view: NodeView, name: string): MergedObject | undefined {
  const kinds = ["Deployment", "DaemonSet", "StatefulSet"];
  const workloads = kinds.flatMap((kind) => view.objects("apps", kind));
  return workloads.find(({ ref }) => ref.name === name);
}

/** The reference for placement: which slots an object asks for, computed without the placement code. */
function slotsOf(world: World, object: MergedObject): Set<string> {
  if (object.ref.kind === "DaemonSet") {
    return new Set(world.machines.map(({ identity }) => `node/${identity.id}`));
  }
  const replicas = Number(leafOf(object.value, "replicas") ?? 1);
  const metadata = object.value["metadata"];
  const annotations = isObject(metadata) ? metadata["annotations"] : undefined;
  const perSite = isObject(annotations) && annotations["starlight.dev/placement"] === "perSite";
  const bases = perSite
    ? [...new Set(world.machines.map(({ identity }) => `site/${identity.site}`))]
    : ["mesh"];
  return new Set(bases.flatMap((base) => Array.from({ length: replicas }, (_, at) => `${base}/${at}`)));
}

const isRunning = ({ body }: PodView): boolean => body.phase === "Running" && body.ready;

/** A mesh-wide slot that another site was given, as a newer write says that came there: it wants the slot no longer. */
function isGivenUp(world: World, { slot, workload }: PodBody, known: MergedObject): boolean {
  return world.present.some(({ node }) => {
    const object = node?.view.object(workload);
    const newer = object !== undefined && object.version > known.version;
    return newer && !(object.exists && slotsOf(world, object).has(slot));
  });
}
