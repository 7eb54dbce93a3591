export { agentVersion as version } from "../app/version.ts";
