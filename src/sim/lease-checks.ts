import type { Roll } from "../core/leases/contract.ts";
import { epochBase, epochMax } from "../core/leases/state.ts";
import type { Instance, LeaseNode } from "./lease-node.ts";

/** What the founder of an electorate knew, and all who ever voted in it. */
type Founding = {
  /** By somebody who was revoked before, and had not heard of it. */
  readonly isVoid: boolean;
  readonly members: ReadonlySet<string>;
  readonly gone: ReadonlySet<string>;
  readonly voters: Set<string>;
  /** The largest number of a roll that came from it. */
  last: number;
};

/** The world's own truth about leases: which instances run, at every true moment, under which tokens. */
export class LeaseChecks {
  readonly #violated: (what: string) => void;
  readonly #nodeOf: (id: string) => LeaseNode | undefined;
  readonly #isGone: (id: string) => boolean;
  readonly #runningByName = new Map<string, Set<Instance>>();
  /** The largest and the smallest token that was handed out, by name and founding. */
  readonly #tokens = new Map<string, Map<number, { least: number; most: number }>>();
  readonly #rolls = new Map<string, string>();
  readonly #foundingOf = new Map<number, number>();
  /** Where a member that was revoked, and had not heard of it, outlived those who had gone on without it. */
  readonly #torn = new Set<number>();
  readonly #foundings = new Map<number, Founding>();

  constructor(
    violated: (what: string) => void,
    nodeOf: (id: string) => LeaseNode | undefined,
    isGone: (id: string) => boolean,
  ) {
    this.#violated = violated;
    this.#nodeOf = nodeOf;
    this.#isGone = isGone;
  }

  running(name: string): number {
    return this.#runningByName.get(name)?.size ?? 0;
  }

  /** A: no two instances of a name at any true moment. B: tokens grow with every start. */
  started(instance: Instance, now: number): void {
    const { name, token, node } = instance;
    const others = this.#runningByName.get(name) ?? new Set();
    this.#runningByName.set(name, others);
    for (const other of others) {
      // What is stopped with its whole machine does nothing; its guard is the first to wake.
      if ((this.#nodeOf(other.node)?.frozenUntil ?? 0) > now || this.#mayNotKnow(instance, other)) continue;
      this.#violated(`${name} runs on ${other.node} under ${other.token} and on ${node} under ${token}`);
    }
    others.add(instance);
    this.#checkToken(instance);
  }

  ended(instance: Instance): void {
    this.#runningByName.get(instance.name)?.delete(instance);
  }

  /** C: nobody ever goes by another roll of the same number. E: nothing outlives the word of a later founding. */
  rollChanged(node: LeaseNode, { founding, number, voters }: Roll): void {
    const text = voters.map(({ id, memory }) => `${id.slice(-2)}/${memory}`).join(" ");
    const known = this.#rolls.get(`${founding}.${number}`);
    if (known !== undefined && known !== text) {
      if (this.#isGone(node.id)) this.#torn.add(founding);
      else this.#violated(`roll ${number} is "${known}" and "${text}"`);
    } else this.#rolls.set(`${founding}.${number}`, text);
    this.#foundingOf.set(number, founding);
    const kept = this.#foundings.get(founding) ?? {
      isVoid: this.#isGone(node.id),
      ...node.told,
      voters: new Set<string>(),
      last: number,
    };
    this.#foundings.set(founding, kept);
    for (const { id } of voters) kept.voters.add(id);
    kept.last = Math.max(kept.last, number);
    for (const instance of node.running.values()) {
      if (this.#foundingUnder(instance) < founding)
        this.#violated(`${node.id} runs ${instance.name} under ${instance.token} and knows of ${founding}`);
    }
  }

  /**
   * F: whoever founds knowing that all of an earlier electorate have gone hands out larger tokens than they ever
   * do; unless they founded it when one of them was revoked already.
   */
  atEnd(): void {
    for (const [founding, { gone }] of this.#foundings) {
      for (const [other, { isVoid, voters, last }] of this.#foundings) {
        const isPast = other !== founding && !isVoid && [...voters].every((id) => gone.has(id));
        if (isPast && last >= founding)
          this.#violated(`founding ${founding} follows roll ${last} of ${other}`);
      }
    }
  }

  /**
   * Two foundings may run a name each as long as the smaller one's holder has not heard of the larger, and the
   * founder of that did not know the holder: as a member, or as gone when the holder has heard that as well.
   */
  #mayNotKnow(one: Instance, other: Instance): boolean {
    const [first, second] = [this.#foundingUnder(one), this.#foundingUnder(other)];
    const [smaller, larger] = first < second ? [one, second] : [other, first];
    const holder = this.#nodeOf(smaller.node);
    if (first === second) return this.#torn.has(first);
    if (holder === undefined) return false;
    const heard = holder.leases?.roll("site/x")?.founding ?? 0;
    const { members, gone } = this.#foundings.get(larger) ?? {};
    const isEnded = gone?.has(holder.id) === true && holder.isOver;
    return heard < larger && members?.has(holder.id) !== true && !isEnded;
  }

  #checkToken({ name, token, node }: Instance): void {
    const founding = this.#foundingUnder({ token });
    const byFounding = this.#tokens.get(name) ?? new Map<number, { least: number; most: number }>();
    this.#tokens.set(name, byFounding);
    for (const [other, { least, most }] of byFounding) {
      const isTorn = other === founding && this.#torn.has(founding);
      const grows = isTorn || (other > founding ? token < least : token > most);
      if (!grows) this.#violated(`${name} had tokens ${least} to ${most}, and now ${token} on ${node}`);
    }
    const { least } = byFounding.get(founding) ?? { least: token };
    byFounding.set(founding, { least, most: token });
  }

  #foundingUnder({ token }: Pick<Instance, "token">): number {
    for (const [number, founding] of this.#foundingOf)
      if (token > epochBase(number) && token <= epochMax(number)) return founding;
    this.#violated(`no roll hands out ${token}`);
    return 0;
  }
}
