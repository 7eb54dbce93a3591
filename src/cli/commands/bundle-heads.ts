import { exportHeads, headsOf } from "../../app/bundle/make-bundle.ts";
import { sourceOnDisk } from "../../app/bundle/source.ts";
import { isOffline, saveBundle, sizeText } from "../bundle-file.ts";
import { connect } from "../client.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

export async function action(_options: object, [file = ""]: string[], globals: GlobalOptions): Promise<void> {
  const bytes = isOffline(globals)
    ? exportHeads(await sourceOnDisk(globals.data), Date.now())
    : await (await connect(globals)).exchange("/starlight/v1/bundle/heads", undefined);
  const { name, logs, sizeBytes } = await saveBundle(file, bytes, async (bundle) => ({
    name: bundle.header.by.name,
    logs: (await headsOf(bundle)).length,
    sizeBytes: bundle.sizeBytes,
  }));
  print(`${file}: how far ${name} knows ${logs} logs, ${sizeText(sizeBytes)}`);
}
