import { isList, isObject, type Json, type JsonObject } from "../../core/kernel/json.ts";
import { cpuMilli, memoryBytes } from "../../core/intents/quantity.ts";
import type { Limits } from "./cgroup.ts";

/** A PodSpec as this runtime reads it. The spec was validated before; defaults are filled in here. */
export type ContainerSpec = {
  readonly name: string;
  readonly image: string;
  readonly argv: readonly string[];
  readonly workingDir: string | undefined;
  readonly ports: readonly { readonly name?: string; readonly port: number }[];
  readonly mounts: readonly { readonly volume: string; readonly path: string; readonly subPath?: string }[];
  readonly limits: Limits;
  readonly liveness: Probe | undefined;
  readonly readiness: Probe | undefined;
  readonly startup: Probe | undefined;
  /** Of its pod. */
  readonly restart: "Always" | "OnFailure" | "Never";
};

export type Probe = {
  readonly action:
    | {
        readonly type: "http";
        /** Certificates are not checked, as kubelets do not. */
        readonly tls: boolean;
        /** Another host than the pod's own; its port is taken as it stands. */
        readonly host: string | undefined;
        readonly path: string;
        readonly port: number | string;
        readonly headers: { readonly [name: string]: string };
      }
    | { readonly type: "tcp"; readonly host: string | undefined; readonly port: number | string }
    | { readonly type: "exec"; readonly command: readonly string[] };
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
};

function restartOf({ restartPolicy }: JsonObject): ContainerSpec["restart"] {
  return restartPolicy === "Never" || restartPolicy === "OnFailure" ? restartPolicy : "Always";
}

export function containersOf(spec: JsonObject): ContainerSpec[] {
  return objects(spec["containers"]).map((container) => ({
    name: text(container["name"]),
    image: text(container["image"]),
    argv: [...texts(container["command"]), ...texts(container["args"])],
    workingDir: typeof container["workingDir"] === "string" ? container["workingDir"] : undefined,
    ports: objects(container["ports"]).map((port) => ({
      port: number(port["containerPort"], 0),
      ...(typeof port["name"] === "string" ? { name: port["name"] } : {}),
    })),
    mounts: objects(container["volumeMounts"]).map((mount) => ({
      volume: text(mount["name"]),
      path: text(mount["mountPath"]),
      ...(typeof mount["subPath"] === "string" ? { subPath: mount["subPath"] } : {}),
    })),
    limits: limitsOf(container),
    liveness: probeOf(container["livenessProbe"]),
    readiness: probeOf(container["readinessProbe"]),
    startup: probeOf(container["startupProbe"]),
    restart: restartOf(spec),
  }));
}

export const volumeNames = (spec: JsonObject): string[] =>
  objects(spec["volumes"]).map((volume) => text(volume["name"]));

function limitsOf(container: JsonObject): Limits {
  const resources = isObject(container["resources"]) ? container["resources"] : {};
  const limits = isObject(resources["limits"]) ? resources["limits"] : {};
  return { memoryBytes: memoryBytes(limits["memory"]), cpuMilli: cpuMilli(limits["cpu"]) };
}

function probeOf(json: Json | undefined): Probe | undefined {
  if (!isObject(json)) return undefined;
  const action = actionOf(json);
  if (action === undefined) return undefined;
  return {
    action,
    initialDelayMs: 1000 * number(json["initialDelaySeconds"], 0),
    periodMs: 1000 * number(json["periodSeconds"], 10),
    timeoutMs: 1000 * number(json["timeoutSeconds"], 1),
    successThreshold: number(json["successThreshold"], 1),
    failureThreshold: number(json["failureThreshold"], 3),
  };
}

function actionOf({ httpGet, tcpSocket, exec }: JsonObject): Probe["action"] | undefined {
  if (isObject(httpGet)) {
    const headers = Object.fromEntries(
      objects(httpGet["httpHeaders"]).map((header) => [text(header["name"]), text(header["value"])]),
    );
    return {
      type: "http",
      tls: httpGet["scheme"] === "HTTPS",
      host: text(httpGet["host"]) || undefined,
      path: text(httpGet["path"]) || "/",
      port: portOf(httpGet["port"]),
      headers,
    };
  }
  if (isObject(tcpSocket)) {
    return { type: "tcp", host: text(tcpSocket["host"]) || undefined, port: portOf(tcpSocket["port"]) };
  }
  return isObject(exec) ? { type: "exec", command: texts(exec["command"]) } : undefined;
}

const portOf = (json: Json | undefined): number | string =>
  typeof json === "number" || typeof json === "string" ? json : 0;
const text = (json: Json | undefined): string => (typeof json === "string" ? json : "");
const number = (json: Json | undefined, otherwise: number): number =>
  typeof json === "number" ? json : otherwise;
const texts = (json: Json | undefined): string[] => (isList(json) ? json.map(text) : []);
const objects = (json: Json | undefined): JsonObject[] => (isList(json) ? json.filter(isObject) : []);
