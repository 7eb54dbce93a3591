import { isObject, type Json, type JsonObject } from "../core/kernel/json.ts";
import { completionsOf } from "./present-job.ts";
import { metadataText, nameOf, type Resource } from "./resources.ts";
import { child } from "./values.ts";

/** The columns that kubectl prints, computed here as a Kubernetes server does. */

type Column = {
  /** kubectl prints it in capitals. */
  readonly name: string;
  /** Shown with `-o wide` only. */
  readonly wide?: true;
  readonly cell: (object: JsonObject) => Json;
};

const age: Column = { name: "Age", cell: (object) => ageOf(metadataText(object, "creationTimestamp")) };
const name: Column = { name: "Name", cell: nameOf };

/** Ready copies, of those wanted. */
const readyCopies: Column = {
  name: "Ready",
  cell: (workload) => {
    const ready = Number(child(workload, "status")["readyReplicas"] ?? 0);
    return `${ready}/${Number(child(workload, "spec")["replicas"] ?? 1)}`;
  },
};

/** What the containers of a workload's pod template say in one field, joined by commas. */
const ofContainers = (title: string, field: "name" | "image"): Column => ({
  name: title,
  wide: true,
  cell: (workload) =>
    containers(workload)
      .map((container) => textAt(container, field))
      .join(","),
});
const containerNames = ofContainers("Containers", "name");
const images = ofContainers("Images", "image");

/** What is told of a site, and of a region. */
const ofPlace: readonly Column[] = [
  { name: "Nodes", cell: (place) => Number(child(place, "status")["nodes"]) },
  { name: "Ready", cell: (place) => Number(child(place, "status")["nodesInView"]) },
  { name: "Unreachable", cell: unreachableFor },
  { name: "CPU", cell: (place) => ofAllocatable(place, "cpu") },
  { name: "Memory", cell: (place) => ofAllocatable(place, "memory") },
  { name: "Workloads", cell: (place) => itemsAt(child(place, "status"), "workloads").length },
  { name: "Seen", cell: (place) => duration(Number(child(place, "status")["freshestFactAgeMs"] ?? 0)) },
  { name: "Source", wide: true, cell: (place) => textAt(child(place, "status"), "source") },
  {
    name: "Oldest",
    wide: true,
    cell: (place) => duration(Number(child(place, "status")["oldestFactAgeMs"] ?? 0)),
  },
];

const columnsByKind: { readonly [kind: string]: readonly Column[] } = {
  Pod: [
    name,
    {
      name: "Ready",
      cell: (pod) => {
        const statuses = itemsAt(child(pod, "status"), "containerStatuses");
        return `${statuses.filter((status) => status["ready"] === true).length}/${Math.max(1, statuses.length)}`;
      },
    },
    { name: "Status", cell: podStatus },
    {
      name: "Restarts",
      cell: (pod) =>
        itemsAt(child(pod, "status"), "containerStatuses").reduce(
          (sum, status) => sum + Number(status["restartCount"] ?? 0),
          0,
        ),
    },
    age,
    { name: "IP", wide: true, cell: (pod) => textAt(child(pod, "status"), "podIP") },
    { name: "Node", wide: true, cell: (pod) => textAt(child(pod, "spec"), "nodeName") },
    { name: "Slot", wide: true, cell: (pod) => annotationOf(pod, "starlight.dev/slot") },
  ],
  Node: [
    name,
    { name: "Status", cell: nodeStatus },
    { name: "Site", cell: (node) => labelOf(node, "topology.kubernetes.io/zone") },
    { name: "Region", cell: (node) => labelOf(node, "topology.kubernetes.io/region") },
    age,
    { name: "Version", cell: (node) => nodeInfoOf(node, "kubeletVersion") },
    {
      name: "Internal-IP",
      wide: true,
      cell: (node) => textAt(itemsAt(child(node, "status"), "addresses")[0] ?? {}, "address"),
    },
    { name: "Tier", wide: true, cell: (node) => labelOf(node, "starlight.dev/tier") },
    { name: "Kernel-Version", wide: true, cell: (node) => nodeInfoOf(node, "kernelVersion") },
    { name: "Container-Runtime", wide: true, cell: (node) => nodeInfoOf(node, "containerRuntimeVersion") },
  ],
  Deployment: [
    name,
    readyCopies,
    { name: "Up-to-date", cell: (object) => child(object, "status")["updatedReplicas"] ?? 0 },
    { name: "Available", cell: (object) => child(object, "status")["availableReplicas"] ?? 0 },
    age,
    {
      name: "Placement",
      wide: true,
      cell: (object) => annotationOf(object, "starlight.dev/placement") || "mesh",
    },
    containerNames,
    images,
  ],
  StatefulSet: [name, readyCopies, age, containerNames, images],
  DaemonSet: [
    name,
    { name: "Desired", cell: (object) => child(object, "status")["desiredNumberScheduled"] ?? 0 },
    { name: "Current", cell: (object) => child(object, "status")["currentNumberScheduled"] ?? 0 },
    { name: "Ready", cell: (object) => child(object, "status")["numberReady"] ?? 0 },
    { name: "Up-to-date", cell: (object) => child(object, "status")["updatedNumberScheduled"] ?? 0 },
    age,
  ],
  Job: [
    name,
    {
      name: "Status",
      cell: (job) => {
        const status = child(job, "status");
        const types = itemsAt(status, "conditions").map((each) => textAt(each, "type"));
        const idle = types.includes("Degraded") && status["active"] === 0;
        return types.findLast((type) => type !== "Degraded") ?? (idle ? "Waiting" : "Running");
      },
    },
    { name: "Completions", cell: completionsOf },
    {
      name: "Duration",
      cell: (job) => {
        const { startTime, completionTime } = child(job, "status");
        const from = Date.parse(typeof startTime === "string" ? startTime : "");
        const to = typeof completionTime === "string" ? Date.parse(completionTime) : Date.now();
        return Number.isNaN(from) ? "" : duration(Math.max(0, to - from));
      },
    },
    age,
  ],
  CronJob: [
    name,
    { name: "Schedule", cell: (cronJob) => textAt(child(cronJob, "spec"), "schedule") },
    { name: "Timezone", cell: (cronJob) => textAt(child(cronJob, "spec"), "timeZone") || "UTC" },
    { name: "Suspend", cell: (cronJob) => (child(cronJob, "spec")["suspend"] === true ? "True" : "False") },
    { name: "Active", cell: (cronJob) => itemsAt(child(cronJob, "status"), "active").length },
    {
      name: "Last Schedule",
      cell: (cronJob) => {
        const last = textAt(child(cronJob, "status"), "lastScheduleTime");
        return last === "" ? "<none>" : ageOf(last);
      },
    },
    age,
  ],
  Service: [
    name,
    { name: "Type", cell: (object) => textAt(child(object, "spec"), "type") || "ClusterIP" },
    { name: "Cluster-IP", cell: (object) => textAt(child(object, "spec"), "clusterIP") || "None" },
    {
      name: "Port(s)",
      cell: (object) =>
        itemsAt(child(object, "spec"), "ports")
          .map((port) => `${Number(port["port"])}/${textAt(port, "protocol") || "TCP"}`)
          .join(","),
    },
    age,
  ],
  EndpointSlice: [
    name,
    { name: "AddressType", cell: (object) => textAt(object, "addressType") },
    { name: "Endpoints", cell: (object) => itemsAt(object, "endpoints").length },
    age,
  ],
  PodDisruptionBudget: [
    name,
    { name: "Min Available", cell: (budget) => child(budget, "spec")["minAvailable"] ?? "N/A" },
    { name: "Max Unavailable", cell: (budget) => child(budget, "spec")["maxUnavailable"] ?? "N/A" },
    { name: "Allowed Disruptions", cell: (budget) => child(budget, "status")["disruptionsAllowed"] ?? 0 },
    age,
  ],
  ConfigMap: [name, { name: "Data", cell: (object) => Object.keys(child(object, "data")).length }, age],
  Namespace: [name, { name: "Status", cell: () => "Active" }, age],
  Event: [
    { name: "Last Seen", cell: (event) => ageOf(textAt(event, "lastTimestamp")) },
    { name: "Type", cell: (event) => textAt(event, "type") },
    { name: "Reason", cell: (event) => textAt(event, "reason") },
    {
      name: "Object",
      cell: (event) => {
        const about = child(event, "involvedObject");
        return `${textAt(about, "kind").toLowerCase()}/${textAt(about, "name")}`;
      },
    },
    { name: "Message", cell: (event) => textAt(event, "message") },
  ],
  Site: [name, { name: "Region", cell: (site) => textAt(child(site, "spec"), "region") }, ...ofPlace],
  Region: [name, { name: "Sites", cell: (region) => Number(child(region, "status")["sites"]) }, ...ofPlace],
};

/** What is asked for, of what the ready nodes of a site have. */
function ofAllocatable(site: JsonObject, what: "cpu" | "memory"): string {
  const status = child(site, "status");
  return `${textAt(child(status, "requested"), what)}/${textAt(child(status, "allocatable"), what)}`;
}

/**
 * The `Table` of some objects; a kind without columns of its own shows names and ages.
 *
 * @param include What of its object each row carries along: `Object` all, `None` nothing, else its metadata.
 */
export function tableOf(
  resource: Resource,
  objects: readonly JsonObject[],
  resourceVersion: string,
  include: string,
  apiVersion: string,
): JsonObject {
  const columns = columnsByKind[resource.kind] ?? [name, age];
  const metaVersion = `meta.k8s.io/${apiVersion}`;
  const carried = (object: JsonObject): JsonObject => {
    if (include === "None") return {};
    if (include === "Object") return { object };
    const metadata = child(object, "metadata");
    return { object: { kind: "PartialObjectMetadata", apiVersion: metaVersion, metadata } };
  };
  return {
    kind: "Table",
    apiVersion: metaVersion,
    metadata: { resourceVersion },
    columnDefinitions: columns.map((column) => ({
      name: column.name,
      type: "string",
      format: column.name === "Name" ? "name" : "",
      description: "",
      priority: column.wide === true ? 1 : 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object)),
      ...carried(object),
    })),
  };
}

function podStatus(pod: JsonObject): string {
  const status = child(pod, "status");
  if (textAt(status, "reason") === "NodeUnreachable") return "Unknown";
  if (child(pod, "metadata")["deletionTimestamp"] !== undefined) return "Terminating";
  return textAt(status, "reason") || textAt(status, "phase");
}

/** For how long nobody of a place has answered: what the other columns say was told before. */
function unreachableFor(place: JsonObject): string {
  const lostFor = child(place, "status")["unreachableForMs"];
  return typeof lostFor === "number" ? duration(lostFor) : "<none>";
}

function nodeStatus(node: JsonObject): string {
  const ready = itemsAt(child(node, "status"), "conditions").find(
    (condition) => condition["type"] === "Ready",
  );
  const state =
    ready?.["status"] === "True" ? "Ready" : ready?.["status"] === "False" ? "NotReady" : "Unknown";
  return child(node, "spec")["unschedulable"] === true ? `${state},SchedulingDisabled` : state;
}

function containers(object: JsonObject): JsonObject[] {
  return itemsAt(child(child(child(object, "spec"), "template"), "spec"), "containers");
}

function ageOf(timestamp: string): string {
  const since = Date.now() - Date.parse(timestamp);
  return Number.isNaN(since) ? "<unknown>" : duration(Math.max(0, since));
}

/** As kubectl writes durations: the two largest units while they matter. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return `${hours}h${minutes % 60}m`;
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

const labelOf = (object: JsonObject, label: string): string =>
  textAt(child(child(object, "metadata"), "labels"), label);
const annotationOf = (object: JsonObject, annotation: string): string =>
  textAt(child(child(object, "metadata"), "annotations"), annotation);
const nodeInfoOf = (node: JsonObject, field: string): string =>
  textAt(child(child(node, "status"), "nodeInfo"), field);

function itemsAt(object: JsonObject, field: string): JsonObject[] {
  const value = object[field];
  return Array.isArray(value) ? (value as readonly Json[]).filter(isObject) : [];
}

function textAt(object: JsonObject, field: string): string {
  const value = object[field];
  return typeof value === "string" ? value : "";
}
