import * as v from "valibot";
import type { NodeView } from "../../core/node/contract.ts";
import type { Client, HttpRequest, HttpResponse } from "../../ports/http.ts";
import { isName } from "../../shells/identity-file/names.ts";
import { admit, joinSchema, type Admitter } from "./admit.ts";
import { createInvite } from "./invites.ts";

/** `POST /starlight/v1/join` for newcomers, and `POST /starlight/v1/invites` for administrators. */

const bodyBytesMax = 16 * 1024;
const joinsPerMinuteMax = 120;

const inviteOrder = v.strictObject({
  site: v.pipe(v.string(), v.check(isName, "not a name")),
  region: v.optional(v.pipe(v.string(), v.check(isName, "not a name"))),
  ttlMs: v.pipe(v.number(), v.minValue(1_000), v.maxValue(365 * 86_400_000)),
  uses: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)),
});

/** Answers the routes of enrolment; false for any other request. */
export function enrolRoutes(
  admitter: Admitter | undefined,
  view: NodeView,
): (request: HttpRequest, response: HttpResponse, client: Client) => boolean {
  let window = { minute: 0, joins: 0 };
  const tooMany = (): boolean => {
    const minute = Math.floor(Date.now() / 60_000);
    window = window.minute === minute ? { minute, joins: window.joins + 1 } : { minute, joins: 1 };
    return window.joins > joinsPerMinuteMax;
  };
  const join = async (request: HttpRequest, response: HttpResponse): Promise<void> => {
    if (tooMany())
      return answer(response, 429, { exit: "refused", message: "too many joins; try again in a minute" });
    if (admitter === undefined)
      return answer(response, 409, { exit: "refused", message: "this node cannot admit others" });
    const parsed = v.safeParse(joinSchema, await readJson(request));
    if (!parsed.success) return answer(response, 400, { exit: "refused", message: "not a join request" });
    const result = await admit(admitter, parsed.output);
    answer(response, "exit" in result ? 403 : 200, result);
  };
  const invite = async (request: HttpRequest, response: HttpResponse, client: Client): Promise<void> => {
    if (client.type !== "user" || !client.groups.includes("system:masters")) {
      return answer(response, 403, { message: "only administrators (group system:masters) make invites" });
    }
    if (admitter === undefined) {
      return answer(response, 409, {
        message: "this node cannot admit others; ask the node where the mesh was made",
      });
    }
    const parsed = v.safeParse(inviteOrder, await readJson(request));
    if (!parsed.success) {
      const [issue] = parsed.issues;
      return answer(response, 400, { message: `${v.getDotPath(issue) ?? "body"}: ${issue.message}` });
    }
    const { site, ttlMs, uses } = parsed.output;
    const known = view.members().find(({ member }) => member.site === site)?.member.region;
    const region = parsed.output.region ?? known ?? "default";
    if (known !== undefined && known !== region) {
      return answer(response, 400, { message: `region: site ${site} is in region ${known}, not ${region}` });
    }
    const addresses = view.member(view.identity.id)?.status?.addresses ?? [];
    const text = createInvite(admitter.data, admitter.identity, {
      site,
      region,
      ttlMs,
      uses,
      addresses,
      now: Date.now(),
    });
    answer(response, 200, { invite: text, site, region });
  };
  return (request, response, client) => {
    if (request.method !== "POST") return false;
    const route =
      request.url === "/starlight/v1/join"
        ? join
        : request.url === "/starlight/v1/invites"
          ? invite
          : undefined;
    if (route === undefined) return false;
    route(request, response, client).catch((error: unknown) => {
      answer(response, 500, {
        exit: "refused",
        message: error instanceof Error ? error.message : String(error),
      });
    });
    return true;
  };
}

function readJson(request: HttpRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length > bodyBytesMax) reject(new Error(`the body has more than ${bodyBytesMax} bytes`));
    });
    request.on("error", reject);
    request.on("end", () => {
      try {
        resolve(JSON.parse(text));
      } catch {
        resolve(undefined);
      }
    });
  });
}

function answer(response: HttpResponse, status: number, body: object): void {
  if (response.headersSent) return;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
