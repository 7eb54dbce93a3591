import { headsOf } from "../../app/bundle/make-bundle.ts";
import { partsOf } from "../../app/bundle/take-bundle.ts";
import { logName } from "../../core/records/log.ts";
import { memberBody } from "../../core/records/bodies.ts";
import { partsOf as keyParts } from "../../core/records/keys.ts";
import {
  bodyOf,
  isTombstone,
  recordKinds,
  type MeshRecord,
  type RecordKind,
} from "../../core/records/record.ts";
import { wallOf } from "../../core/kernel/hybrid-clock.ts";
import type { BundleHeader } from "../../shells/bundle-file/header.ts";
import type { OpenBundle } from "../../shells/bundle-file/read-bundle.ts";
import { readBundle, sizeText } from "../bundle-file.ts";
import { formatOf, print, printable, printValue, table } from "../output.ts";

const logsShown = 40;

type LogLine = {
  readonly scope: string;
  readonly kind: RecordKind;
  readonly author: string;
  /** The author's name, when its roster record is in the file too. */
  name: string | undefined;
  records: number;
  /** The log is complete after the one stamp up to the other; equal when nothing is said. */
  from: number;
  to: number;
};
type ClassLine = { readonly kind: RecordKind; records: number; tombstones: number; bytes: number };

type Shown = {
  readonly header: BundleHeader;
  readonly sizeBytes: number;
  readonly classes: readonly ClassLine[];
  readonly logs: readonly LogLine[];
};

export async function action(options: { readonly output?: string }, [file = ""]: string[]): Promise<void> {
  const format = formatOf(options.output);
  const shown = await readBundle(file, (bundle) =>
    bundle.header.kind === "heads" ? ofHeads(bundle) : ofRecords(bundle),
  );
  if (await printValue(shown, format)) return;
  const { header, sizeBytes, classes, logs } = shown;
  const { by, mesh, to, since } = header;
  print(
    `${header.kind} of ${by.name}, site ${by.site}, mesh ${mesh.name} (${mesh.id}), made ${time(header.madeAtMs)}`,
  );
  if (header.kind === "bundle") {
    print(
      to === undefined
        ? "for: whoever may have it, all that it held"
        : `for: site ${to.site} of region ${to.region}`,
    );
    print(
      since === undefined
        ? "everything"
        : `a difference: what ${since.by.name} lacked at ${time(since.madeAtMs)}`,
    );
    for (const { scope, count, hash } of header.scopes)
      print(`leads to ${count} records in scope ${scope}, hash ${hash}`);
    print("");
    const rows = classes.map(({ kind, records, tombstones, bytes }) => [
      kind,
      String(records),
      String(tombstones),
      sizeText(bytes),
    ]);
    print(table(["Class", "Records", "Tombstones", "Unpacked"], rows));
  }
  print(
    `${header.records} records, ${logs.length} logs, ${sizeText(sizeBytes)} in the file; its checksum holds\n`,
  );
  const some = format === "wide" ? logs : logs.slice(0, logsShown);
  const rows = some.map(({ scope, kind, author, name, records, from, to: up }) => [
    kind,
    scope,
    name ?? author,
    String(records),
    up === 0 ? "" : from === 0 ? "the start" : time(wallOf(from)),
    up === 0 ? "not said" : time(wallOf(up)),
  ]);
  print(table(["Class", "Scope", "Author", "Records", "Complete from", "To"], rows));
  if (some.length < logs.length) print(`and ${logs.length - some.length} more (-o wide)`);
}

type Log = Pick<MeshRecord, "scope" | "kind" | "author">;

const emptyLine = ({ scope, kind, author }: Log): LogLine => ({
  scope,
  kind,
  author,
  name: undefined,
  records: 0,
  from: 0,
  to: 0,
});

async function ofHeads(bundle: OpenBundle): Promise<Shown> {
  const logs = (await headsOf(bundle)).map((head) => ({ ...emptyLine(head), to: head.at }));
  return { header: bundle.header, sizeBytes: bundle.sizeBytes, classes: [], logs };
}

async function ofRecords(bundle: OpenBundle): Promise<Shown> {
  const classes = recordKinds.map((kind): ClassLine => ({ kind, records: 0, tombstones: 0, bytes: 0 }));
  const logs = new Map<string, LogLine>();
  const names = new Map<string, string>();
  const lineOf = (log: Log): LogLine => {
    const line = logs.get(logName(log)) ?? emptyLine(log);
    logs.set(logName(log), line);
    return line;
  };
  for await (const { records, covers } of partsOf(bundle)) {
    for (const record of records) {
      lineOf(record).records++;
      const parts = keyParts(record.key);
      const member = parts?.type === "member" ? memberBody(bodyOf(record)) : undefined;
      if (parts?.type === "member" && member !== undefined) names.set(parts.node, printable(member.name));
      const line = classes.find(({ kind }) => kind === record.kind);
      if (line === undefined) continue;
      line.records++;
      line.bytes += record.frame.length;
      if (isTombstone(record)) line.tombstones++;
    }
    for (const log of covers) {
      const line = lineOf(log);
      if (line.to === 0) line.from = log.from;
      line.to = log.to;
    }
  }
  names.set(bundle.header.mesh.id, "the mesh root");
  for (const line of logs.values()) line.name = names.get(line.author);
  return {
    header: bundle.header,
    sizeBytes: bundle.sizeBytes,
    classes: classes.filter(isShown),
    logs: [...logs.values()],
  };
}

/** Kinds of later versions only where there is something of them. */
const isShown = ({ kind, records }: ClassLine): boolean => !kind.startsWith("later-") || records > 0;

const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
