import type { Machine } from "../machine.ts";
import { gatherAll } from "../shard.ts";
import type { Fleet } from "./fleet.ts";

/** Intents that people write all over the fleet: one small ConfigMap each. */
export type Notes = {
  /** Lets a member write the next note. */
  readonly write: (author: Machine | undefined) => string;
  /** Names of the notes whose authors were told that they hold. All shards ask at the same time. */
  readonly acknowledged: () => ReadonlySet<string>;
};

export function keepNotes({ world, shard }: Fleet): Notes {
  const told = new Set<string>();
  let written = 0;
  world.observers.push({
    answered: (_, request, reply) => {
      if (reply.ok) told.add(nameOf(request));
    },
  });
  const write = (author: Machine | undefined): string => {
    const request = ++written;
    const ref = noteRef(nameOf(request));
    const { namespace, name } = ref;
    const value = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name }, data: { a: "1" } };
    const change = { type: "update", ref, value, manager: "people", class: "user", mode: "create" } as const;
    author?.write(request, change, "people");
    return name;
  };
  return { write, acknowledged: () => new Set(gatherAll(shard, [...told])) };
}

export const holds = ({ node }: Machine, name: string): boolean =>
  node?.view.object(noteRef(name))?.exists === true;

const nameOf = (request: number): string => `note-${request}`;

const noteRef = (name: string) => ({ group: "", kind: "ConfigMap", namespace: "default", name }) as const;
