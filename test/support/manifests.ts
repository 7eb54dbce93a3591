/** Manifests of workloads whose containers run a script of the machine's own shell. */

export const scriptContainer = (script: string): object => ({
  name: "main",
  image: "host",
  command: ["/bin/sh", "-c", script],
});

/** @param spec Added to the workload's own, and `podSpec` to that of its template. */
export function workload(
  kind: "Deployment" | "StatefulSet",
  name: string,
  spec: object,
  podSpec: object,
  annotations: { readonly [annotation: string]: string } = {},
): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace: "default", annotations },
    spec: {
      ...spec,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { runtimeClassName: "process", ...podSpec } },
    },
  };
}

export const deployment = (
  name: string,
  script: string,
  replicas: number,
  annotations: { readonly [annotation: string]: string } = {},
): object =>
  workload("Deployment", name, { replicas }, { containers: [scriptContainer(script)] }, annotations);
