import { exportBundle, headsOf } from "../../app/bundle/make-bundle.ts";
import { sourceOnDisk } from "../../app/bundle/source.ts";
import { isOffline, readBundle, saveBundle, sizeText, streamOf } from "../bundle-file.ts";
import { connect } from "../client.ts";
import { print } from "../output.ts";
import type { GlobalOptions } from "./index.ts";

type Options = { readonly site?: string; readonly sincePeer?: string };

export async function action(
  { site, sincePeer }: Options,
  [file = ""]: string[],
  globals: GlobalOptions,
): Promise<void> {
  // Read before anything is asked: a broken file of heads is told as that.
  const since =
    sincePeer === undefined
      ? undefined
      : await readBundle(sincePeer, async (opened) => ({
          header: opened.header,
          logs: await headsOf(opened),
        }));
  const bytes = isOffline(globals)
    ? exportBundle(await sourceOnDisk(globals.data), { site, since, now: Date.now() })
    : await fetched(globals, site, sincePeer);
  const { header, sizeBytes } = await saveBundle(file, bytes, (bundle) => Promise.resolve(bundle));
  const { by, to } = header;
  const what =
    since === undefined
      ? `all that ${by.name} holds${to === undefined ? "" : ` for site ${to.site}`}`
      : `what ${since.header.by.name} lacked of it`;
  print(`${file}: ${header.records} records, ${sizeText(sizeBytes)}; ${what}`);
}

async function fetched(
  globals: GlobalOptions,
  site: string | undefined,
  heads: string | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const client = await connect(globals);
  const query = site === undefined ? "" : `?site=${encodeURIComponent(site)}`;
  const body = heads === undefined ? undefined : streamOf(heads);
  return client.exchange(`/starlight/v1/bundle/export${query}`, body);
}
