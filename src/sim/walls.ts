/** Hosts that reach each other, and nobody on the other side. */
export type Wall = ReadonlySet<number>;

/** Cuts around groups of hosts. A wall costs what it holds, not what it keeps out. */
export class Walls {
  readonly #byHost = new Map<number, Set<Wall>>();

  raise(hosts: Iterable<number>): Wall {
    const wall: Wall = new Set(hosts);
    for (const host of wall) {
      const held = this.#byHost.get(host) ?? new Set();
      this.#byHost.set(host, held.add(wall));
    }
    return wall;
  }

  lower(wall: Wall): void {
    for (const host of wall) {
      const held = this.#byHost.get(host);
      held?.delete(wall);
      if (held?.size === 0) this.#byHost.delete(host);
    }
  }

  /** Whether some wall has one of them inside and the other outside. */
  part(one: number, other: number): boolean {
    if (this.#byHost.size === 0) return false;
    return this.#leaves(one, other) || this.#leaves(other, one);
  }

  /** Whether any wall is around a host. */
  around(host: number): boolean {
    return this.#byHost.has(host);
  }

  #leaves(inside: number, outside: number): boolean {
    for (const wall of this.#byHost.get(inside) ?? []) if (!wall.has(outside)) return true;
    return false;
  }
}
