import type { PodView } from "../core/node/contract.ts";
import type { ApiDeps } from "./contract.ts";
import { notFound } from "./status.ts";

/** The pod of that name, also where its node is out of view; throws 404 where nobody told of one. */
export function podNamed({ view }: ApiDeps, namespace: string, name: string): PodView {
  const pod = view.pods().find(({ body }) => body.namespace === namespace && body.name === name);
  if (pod === undefined) throw notFound("pods", name);
  return pod;
}
