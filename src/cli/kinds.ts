import { CommandError } from "./command-error.ts";
import { resources, type Resource } from "../api/resources.ts";

/** `pods`, `po`, `deployment/shop`, `all`: how people name things on a command line. */
export function resourcesNamed(text: string): Resource[] {
  return text.split(",").flatMap((word) => {
    if (word === "all") return resources.filter(({ categories }) => categories.includes("all"));
    const found = resources.find(({ plural, singular, shortNames, kind, group }) =>
      [plural, singular, kind.toLowerCase(), `${plural}.${group}`, ...shortNames].includes(
        word.toLowerCase(),
      ),
    );
    if (found !== undefined) return [found];
    const known = resources.map(({ plural }) => plural).join(", ");
    throw new CommandError("usage", `no kind is called ${JSON.stringify(word)}; there are: ${known}, all`);
  });
}

export function pathOf(resource: Resource, namespace: string | undefined, name = ""): string {
  const { group, version, plural, namespaced } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const inside = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${inside}/${plural}${name === "" ? "" : `/${encodeURIComponent(name)}`}`;
}

/** `kind/name`, or `kind name`. */
export function splitReference(words: readonly string[]): { kind: string; name: string } {
  const [first = "", second = ""] = words;
  const [kind = "", name = second] = first.split("/");
  return { kind, name: name === "" ? second : name };
}

/** The one object that `kind/name` or `kind name` means; a lone name is a deployment. */
export function objectNamed(words: readonly string[]): {
  readonly resource: Resource;
  readonly name: string;
} {
  const { kind, name } = splitReference(words);
  const [resource, another] = resourcesNamed(name === "" ? "deployment" : kind);
  if (resource === undefined || another !== undefined || kind === "") {
    throw new CommandError("usage", `${words.join(" ")}: name one object, for example deployment/shop`);
  }
  return { resource, name: name === "" ? kind : name };
}
