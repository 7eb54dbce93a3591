import type { Change } from "../core/intents/contract.ts";
import type { Eviction } from "../core/node/eviction.ts";
import type { Changed, NodeEnv, NodeView, Note, WriteReply } from "../core/node/contract.ts";
import type { NodeId } from "../core/records/record.ts";
import type { Answer, HttpHandler, HttpRequest, HttpResponse } from "../ports/http.ts";
import type { Examination } from "../ports/hops.ts";
import type { Runtime } from "../ports/runtime.ts";

/** What the API of a node stands on: the node's view to read, one door to write. */
export type ApiDeps = {
  readonly view: NodeView;
  readonly env: () => NodeEnv;
  /** All changes or none; resolves when they are durable here, or refused. */
  readonly write: (
    changes: readonly Change[],
    actor: string,
    options: { readonly dryRun: boolean },
  ) => Promise<WriteReply>;
  /** Takes a pod of this node off it. */
  readonly evict: (eviction: Eviction) => void;
  /** Calls back after every change of what the view shows; returns the unsubscribe. */
  readonly onChanged: (listener: (what: readonly Changed[]) => void) => () => void;
  /** The node's latest notes, oldest first, bounded. */
  readonly notes: () => readonly (Note & { readonly at: number })[];
  readonly logs: Runtime["logs"];
  /**
   * Passes a request on to another member's API over a mutually authenticated connection, and its
   * answer back, streaming. Answers 502 or 504 itself when the member cannot be reached.
   */
  readonly forward: (node: NodeId, request: HttpRequest, response: HttpResponse) => void;
  /** A short `GET` of this node's own, as a node, to another member's API; rejects without an answer. */
  readonly ask: (node: NodeId, path: string, signal: AbortSignal) => Promise<Answer>;
  /** The user behind a bearer token, if it is good. */
  readonly userOfToken: (
    token: string,
  ) => { readonly name: string; readonly groups: readonly string[] } | undefined;
  /** Bytes written to this node's disk: today (UTC), and since its store was made. */
  readonly bytesWritten: () => { readonly today: number; readonly total: number };
  /** Tries every hop of the way to a member; opens no link. */
  readonly examine: (node: NodeId) => Promise<Examination>;
  /** Agent version, for `/version`. */
  readonly version: string;
};

/** The door: `createApi(deps): HttpHandler` in `create-api.ts`. */
export type CreateApi = (deps: ApiDeps) => HttpHandler;
