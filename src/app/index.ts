/**
 * The doors of the application, for the command line and for tests. Every one of them throws errors that
 * `explained` turns into a sentence and an exit code; what it does not know is a bug.
 *
 * A program that wants one door and a fast start imports that door's file.
 */
export { startAgent, type AgentOptions, type AgentParts, type RunningAgent } from "./agent.ts";
export { runAgent } from "./run-agent.ts";
export { findAgent, type AgentFile } from "./agent-file.ts";
export { AppError, explained, type Explanation } from "./app-error.ts";
export { exitCodes, type ExitCode } from "./exit-codes.ts";
export {
  flagOf,
  loadConfig,
  showConfig,
  variableOf,
  type ConfigSources,
  type LoadedConfig,
} from "./config.ts";
export { configDefaults, configKeys, type Config, type ConfigKey } from "./config-schema.ts";
export { exportBundle, exportHeads, headsOf, readHeads } from "./bundle/make-bundle.ts";
export { sourceOnDisk, type BundleSource } from "./bundle/source.ts";
export { checkFrames, partsOf, takeBundle, type ImportReport } from "./bundle/take-bundle.ts";
export { createToken, type TokenUser } from "./tokens.ts";
export { createInvite, type InviteOptions } from "./enrol/invite-book.ts";
export { decodeInvite, type Invite, type InviteError } from "./enrol/invite.ts";
export { joinMesh, type JoinOptions } from "./enrol/join-mesh.ts";
export { initMesh, type InitOptions, type InitResult } from "../shells/identity-file/init-mesh.ts";
export { layoutOf, type Layout } from "../shells/identity-file/layout.ts";
export { loadIdentity, isEnroller } from "../shells/identity-file/load-identity.ts";
export { issueUser, type UserOptions } from "./issue-user.ts";
