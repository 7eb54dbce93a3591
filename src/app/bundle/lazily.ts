import { rmSync } from "node:fs";
import { layoutOf } from "../../shells/identity-file/layout.ts";
import type { Driver } from "../driver.ts";
import type { BundleRoutes } from "./routes.ts";

/** The routes of bundles, whose code is loaded with the first request: most nodes never see one. */
export function bundleRoutesLazily(directory: string, driver: Driver): BundleRoutes {
  // What a killed agent was receiving; ours is the only one that works here.
  rmSync(layoutOf(directory).incoming, { recursive: true, force: true });
  let made: Promise<BundleRoutes> | undefined;
  const load = (): Promise<BundleRoutes> => {
    made ??= import("./routes.ts").then(({ createBundleRoutes }) => createBundleRoutes(directory, driver));
    return made;
  };
  const paths = ["export", "heads", "import"].map((name) => `/starlight/v1/bundle/${name}`);
  return Object.fromEntries(
    paths.map((path) => [
      path,
      async (...args: Parameters<BundleRoutes[string]>) => {
        const route = (await load())[path];
        if (route === undefined) throw new RangeError(`no route ${path}`);
        return route(...args);
      },
    ]),
  );
}
