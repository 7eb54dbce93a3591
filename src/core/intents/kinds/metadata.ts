import { map, object, text, type ObjectSchema } from "../schema.ts";

export const dnsLabel = {
  test: /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
  says: "lower-case letters, digits and `-`, at most 63, starting and ending with a letter or digit",
};
export const dnsName = {
  test: /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  says: "lower-case letters, digits, `-` and `.`, at most 253, starting and ending with a letter or digit",
};
export const labelKey = {
  test: /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/,
  says: "a label key such as `app` or `example.com/app`",
};
export const labelValue = {
  test: /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/,
  says: "at most 63 letters, digits, `-`, `_` or `.`, starting and ending with a letter or digit",
};

export const labels = (description: string): ReturnType<typeof map> =>
  map(description, text("The label's value.", { pattern: labelValue }), { keys: { pattern: labelKey } });

export const annotations = map(
  "Free notes; `starlight.dev/...` ones steer Starlight.",
  text("The note.", { lengthMax: 262_144 }),
  {
    keys: { pattern: labelKey },
  },
);

/** Metadata people may write; what a server fills in is accepted and dropped. */
export const metadata: ObjectSchema = object(
  "Name, labels and annotations.",
  {
    name: text("The object's name.", { required: true, pattern: dnsName }),
    namespace: text("The namespace it lives in.", { pattern: dnsLabel }),
    labels: labels("Labels for selectors."),
    annotations,
  },
  { unsupported: ["finalizers", "generateName", "ownerReferences"] },
);

/** Metadata of a pod template: it has no name of its own. */
export const templateMetadata: ObjectSchema = object("Labels and annotations of the pods.", {
  labels: labels("Labels of the pods."),
  annotations,
});

/** Fields that servers write and clients send back. */
export const serverMetadata: ReadonlySet<string> = new Set([
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
  "managedFields",
  "selfLink",
]);

export const labelSelector: ObjectSchema = object(
  "Which pods belong to it.",
  { matchLabels: labels("Labels a pod must have.") },
  { unsupported: ["matchExpressions"] },
);
