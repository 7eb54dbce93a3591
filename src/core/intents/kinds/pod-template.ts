import {
  bool,
  int,
  int32Max,
  intOrText,
  list,
  listMap,
  map,
  object,
  quantity,
  text,
  type ObjectSchema,
} from "../schema.ts";
import { dnsLabel, dnsName, labelKey, labelValue, templateMetadata } from "./metadata.ts";
import { affinity, resourceName, tolerations, topologySpreadConstraints } from "./placement-rules.ts";

/** The part of Kubernetes' PodSpec that Starlight runs. Everything else is refused by name. */

const variableName = { test: /^[A-Za-z_][A-Za-z0-9_.-]*$/, says: "a variable name such as `LOG_LEVEL`" };
const portName = {
  test: /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/,
  says: "a port name such as `http`, at most 15 characters",
};
const fieldPath = {
  test: /^(metadata\.(name|namespace|uid|labels\['[^']+'\]|annotations\['[^']+'\])|spec\.(nodeName|serviceAccountName)|status\.(hostIP|podIP))$/,
  says: "one of metadata.name, metadata.namespace, metadata.uid, metadata.labels['x'], metadata.annotations['x'], spec.nodeName, spec.serviceAccountName, status.hostIP, status.podIP",
};

const keyOfConfigMap = object("A key of a ConfigMap.", {
  name: text("The ConfigMap.", { required: true, pattern: dnsName }),
  key: text("The key in it.", { required: true, lengthMax: 253 }),
  optional: bool("Whether it may be missing."),
});

const variable = object("An environment variable.", {
  name: text("Its name.", { required: true, pattern: variableName }),
  value: text("Its value; `$(OTHER)` is replaced.", { lengthMax: 131_072 }),
  valueFrom: object(
    "Where its value comes from.",
    {
      fieldRef: object("A field of the pod.", {
        apiVersion: text("Always v1.", { choices: ["v1"] }),
        fieldPath: text("Which field.", { required: true, pattern: fieldPath }),
      }),
      configMapKeyRef: keyOfConfigMap,
    },
    {
      oneOf: ["fieldRef", "configMapKeyRef"],
      oneRequired: true,
      atomic: true,
      unsupported: ["secretKeyRef", "resourceFieldRef", "fileKeyRef"],
    },
  ),
});

const port = object("A port the container listens on.", {
  name: text("How Services and probes call it.", { pattern: portName }),
  containerPort: int("The port.", 1, 65_535, { required: true }),
  protocol: text("TCP or UDP.", { choices: ["TCP", "UDP"], default: "TCP" }),
});

const portReference = (description: string): ReturnType<typeof intOrText> =>
  intOrText(description, 1, 65_535, { required: true, pattern: portName });

const probe = (description: string): ObjectSchema =>
  object(
    description,
    {
      httpGet: object("Passes on a status from 200 to 399.", {
        path: text("The path.", { default: "/", lengthMax: 2048 }),
        port: portReference("Port number or name."),
        host: text("Host header and address; the pod's by default.", { lengthMax: 253 }),
        scheme: text("HTTP or HTTPS.", { choices: ["HTTP", "HTTPS"], default: "HTTP" }),
        httpHeaders: list(
          "Headers to send.",
          object("A header.", {
            name: text("Its name.", { required: true, lengthMax: 253 }),
            value: text("Its value.", { required: true, lengthMax: 4096 }),
          }),
          { lengthMax: 64 },
        ),
      }),
      tcpSocket: object("Passes when the port accepts a connection.", {
        port: portReference("Port number or name."),
        host: text("The address; the pod's by default.", { lengthMax: 253 }),
      }),
      exec: object("Passes when the command exits with 0.", {
        command: list("The command.", text("A word.", { lengthMax: 8192 }), { lengthMax: 256 }),
      }),
      initialDelaySeconds: int("Wait before the first try.", 0, int32Max, { default: 0 }),
      periodSeconds: int("Time between tries.", 1, int32Max, { default: 10 }),
      timeoutSeconds: int("A try that takes longer has failed.", 1, int32Max, { default: 1 }),
      successThreshold: int("Successes in a row that count.", 1, int32Max, { default: 1 }),
      failureThreshold: int("Failures in a row that count.", 1, int32Max, { default: 3 }),
    },
    {
      oneOf: ["httpGet", "tcpSocket", "exec"],
      oneRequired: true,
      unsupported: ["grpc", "terminationGracePeriodSeconds"],
    },
  );

const amounts = (description: string): ReturnType<typeof map> =>
  map(description, quantity("How much, for example `100m` or `64Mi`."), { keys: { pattern: resourceName } });

const resources = object(
  "What the container needs and may use.",
  { requests: amounts("What is reserved for it."), limits: amounts("What it may use at most.") },
  { unsupported: ["claims"] },
);

const words = (description: string): ReturnType<typeof list> =>
  list(description, text("A word.", { lengthMax: 131_072 }), { lengthMax: 1024 });

const container = object(
  "A program of the pod.",
  {
    name: text("Its name in the pod.", { required: true, pattern: dnsLabel }),
    image: text("The image; the `process` runtime runs programs of the host and only records it.", {
      required: true,
      lengthMin: 1,
      lengthMax: 1024,
    }),
    imagePullPolicy: text("When to fetch the image.", { choices: ["Always", "IfNotPresent", "Never"] }),
    command: words("Program and first arguments."),
    args: words("Further arguments."),
    workingDir: text("Working directory.", { lengthMax: 4096 }),
    env: listMap("Environment variables.", ["name"], variable),
    envFrom: list(
      "Whole ConfigMaps as variables.",
      object(
        "A source.",
        {
          prefix: text("Put before every name.", { lengthMax: 253 }),
          configMapRef: object("The ConfigMap.", {
            name: text("Its name.", { required: true, pattern: dnsName }),
            optional: bool("Whether it may be missing."),
          }),
        },
        { unsupported: ["secretRef"] },
      ),
    ),
    ports: listMap("Ports it listens on.", ["containerPort", "protocol"], port),
    resources,
    volumeMounts: listMap(
      "Volumes in its file tree.",
      ["mountPath"],
      object(
        "A mount.",
        {
          name: text("The volume.", { required: true, pattern: dnsLabel }),
          mountPath: text("Where.", {
            required: true,
            lengthMax: 4096,
            pattern: { test: /^\/[^:]*$/, says: "an absolute path" },
          }),
          readOnly: bool("Whether it may not be written."),
          subPath: text("Only this path of the volume.", {
            lengthMax: 4096,
            pattern: { test: /^(?!\/)(?!.*(^|\/)\.\.(\/|$)).*$/, says: "a relative path without `..`" },
          }),
        },
        { unsupported: ["mountPropagation", "subPathExpr", "recursiveReadOnly"] },
      ),
    ),
    livenessProbe: probe("Restarted when it fails."),
    readinessProbe: probe("Gets no traffic while it fails."),
    startupProbe: probe("The other probes wait for it."),
    terminationMessagePath: text("Accepted for compatibility.", { lengthMax: 4096 }),
    terminationMessagePolicy: text("Accepted for compatibility.", {
      choices: ["File", "FallbackToLogsOnError"],
    }),
  },
  {
    unsupported: [
      "lifecycle",
      "securityContext",
      "volumeDevices",
      "stdin",
      "stdinOnce",
      "tty",
      "resizePolicy",
      "restartPolicy",
    ],
  },
);

const volume = object(
  "A volume.",
  {
    name: text("Its name.", { required: true, pattern: dnsLabel }),
    configMap: object("Files from a ConfigMap.", {
      name: text("The ConfigMap.", { required: true, pattern: dnsName }),
      optional: bool("Whether it may be missing."),
      defaultMode: int("File mode.", 0, 0o777),
      items: list(
        "Only these keys.",
        object("A key.", {
          key: text("The key.", { required: true, lengthMax: 253 }),
          path: text("The file.", {
            required: true,
            lengthMax: 4096,
            pattern: { test: /^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+$/, says: "a relative path without `..`" },
          }),
          mode: int("File mode.", 0, 0o777),
        }),
      ),
    }),
    emptyDir: object("An empty folder that lives as long as the pod.", {
      medium: text("Accepted for compatibility.", { choices: ["", "Memory"] }),
      sizeLimit: quantity("Accepted for compatibility."),
    }),
  },
  {
    oneOf: ["configMap", "emptyDir"],
    oneRequired: true,
    unsupported: [
      "secret",
      "hostPath",
      "persistentVolumeClaim",
      "projected",
      "downwardAPI",
      "nfs",
      "csi",
      "ephemeral",
      "image",
    ],
  },
);

export const podSpec: ObjectSchema = object(
  "How the pods run.",
  {
    containers: listMap("The programs of the pod.", ["name"], container, { required: true }),
    volumes: listMap("Volumes to mount.", ["name"], volume),
    restartPolicy: text("Always for workloads that go on.", { choices: ["Always"], default: "Always" }),
    terminationGracePeriodSeconds: int("Time between SIGTERM and SIGKILL.", 0, 86_400, { default: 30 }),
    nodeSelector: map("Labels the node must have.", text("The value.", { pattern: labelValue }), {
      keys: { pattern: labelKey },
      atomic: true,
    }),
    affinity,
    topologySpreadConstraints,
    tolerations,
    priorityClassName: text("The PriorityClass; 0 while there is none of that name.", { pattern: dnsName }),
    runtimeClassName: text("What runs it: `process`, or containers when missing.", { pattern: dnsName }),
    hostNetwork: bool("Use the node's ports as they are."),
    dnsPolicy: text("Accepted for compatibility.", {
      choices: ["ClusterFirst", "Default", "ClusterFirstWithHostNet", "None"],
    }),
    schedulerName: text("Accepted for compatibility.", { choices: ["default-scheduler"] }),
    securityContext: object("Accepted when empty.", {}),
    serviceAccountName: text("Name for the downward API.", { pattern: dnsName }),
    enableServiceLinks: bool("Accepted for compatibility."),
  },
  {
    unsupported: [
      "initContainers",
      "ephemeralContainers",
      "imagePullSecrets",
      "hostPID",
      "hostIPC",
      "hostAliases",
      "dnsConfig",
      "nodeName",
      "activeDeadlineSeconds",
      "shareProcessNamespace",
      "readinessGates",
      "overhead",
      "preemptionPolicy",
      "setHostnameAsFQDN",
      "hostname",
      "subdomain",
      "serviceAccount",
      "automountServiceAccountToken",
      "resourceClaims",
      "schedulingGates",
      "os",
      "hostUsers",
    ],
  },
);

export const podTemplate = object(
  "The pods to run.",
  { metadata: templateMetadata, spec: { ...podSpec, required: true } },
  { required: true },
);
