import { join } from "node:path";

/**
 * The data folder of a node (0700; what is secret in it 0600). `identity` appears by one rename, so a
 * node has either a whole identity or none.
 *
 *     identity/   who we are: mesh.json, node.key, tls.key, tls.crt (with the CA), ca.crt, introduction.bin
 *     enroller/   on nodes that admit others: ca.key, invites/, sites/
 *     root/       the mesh's root key; may be taken offline, nothing in daily life needs it
 *     admin/      a client certificate of the group system:masters and the kubeconfig that uses it
 *     tokens.json hashes of bearer tokens
 *     config.yaml settings, when there are any
 *     state.db    the records; written by the agent only
 *     backups/    copies of the records on their way to whoever asked for them
 *     pods/       the process runtime's folder
 *     incoming/   a bundle that is being imported
 *     agent.json  where the running agent listens
 */
export type Layout = {
  readonly directory: string;
  readonly identity: string;
  readonly enroller: string;
  readonly invites: string;
  readonly sites: string;
  readonly root: string;
  readonly admin: string;
  readonly kubeconfig: string;
  readonly tokens: string;
  readonly config: string;
  readonly database: string;
  readonly backups: string;
  readonly pods: string;
  readonly incoming: string;
  readonly agent: string;
};

export function layoutOf(directory: string): Layout {
  const at = (...parts: readonly string[]): string => join(directory, ...parts);
  return {
    directory,
    identity: at("identity"),
    enroller: at("enroller"),
    invites: at("enroller", "invites"),
    sites: at("enroller", "sites"),
    root: at("root"),
    admin: at("admin"),
    kubeconfig: at("admin", "kubeconfig"),
    tokens: at("tokens.json"),
    config: at("config.yaml"),
    database: at("state.db"),
    backups: at("backups"),
    pods: at("pods"),
    incoming: at("incoming"),
    agent: at("agent.json"),
  };
}

/** File names inside `identity/`. */
export const identityFiles = {
  mesh: "mesh.json",
  nodeKey: "node.key",
  tlsKey: "tls.key",
  tlsCertificate: "tls.crt",
  ca: "ca.crt",
  introduction: "introduction.bin",
} as const;

export const caKeyFile = "ca.key";
export const rootKeyFile = "root.key";
