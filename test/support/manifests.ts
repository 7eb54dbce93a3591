/** Manifests of workloads whose containers run a script of the machine's own shell. */

export const scriptContainer = (script: string): object => ({
  name: "main",
  image: "host",
  command: ["/bin/sh", "-c", script],
});

/** @param spec Merged into the workload's own; `podSpec` into that of its template. */
export function workload(
  kind: "Deployment" | "StatefulSet",
  name: string,
  spec: object,
  podSpec: object,
): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace: "default" },
    spec: {
      ...spec,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { runtimeClassName: "process", ...podSpec } },
    },
  };
}

export const deployment = (name: string, script: string, replicas: number): object =>
  workload("Deployment", name, { replicas }, { containers: [scriptContainer(script)] });
