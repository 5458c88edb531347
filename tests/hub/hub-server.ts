// A hub on 127.0.0.1 with the part of the protocol that the client uses: commits, lists of files, and files, which it
// serves by a redirect to another origin and from any byte on (Range).

import { createHash } from "node:crypto";

/** The commit that all revisions of the repository are at. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** A request that came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly host: "hub" | "storage";
  readonly token: string | null;
  readonly range: string | null;
}

/** Decides how a request goes wrong: by another answer, by a body that is cut or stalls, or not at all (`null`). */
export type Fault = (seen: Seen) => Response | Promise<Response> | "cut" | "stall" | null;

export interface HubServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: Seen[];
  fault: Fault;
}

/** Serves a repository with these files, as a model and as a dataset. Files of weights and tables are LFS objects. */
export function serveHub(files: Readonly<Record<string, Uint8Array>>, repo = "owner/name"): HubServer {
  const seen: Seen[] = [];
  const isLfs = (path: string) => /\.(gguf|safetensors|parquet)$/.test(path);
  const oid = (bytes: Uint8Array) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

  const note = async (request: Request, host: Seen["host"]) => {
    const { pathname } = new URL(request.url);
    const { method, headers } = request;
    const one = {
      method,
      host,
      path: decodeURIComponent(pathname),
      token: headers.get("Authorization"),
      range: headers.get("Range"),
    };
    seen.push(one);
    return { ...one, fault: await server.fault(one) };
  };
  const storage = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { path, range, fault } = await note(request, "storage");
    if (fault instanceof Response) return fault;
    const bytes = files[path.slice(1)]!;
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const headers = new Headers();
    if (range !== null) headers.set("Content-Range", `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
    const rest = bytes.slice(start);
    const init = { status: range === null ? 200 : 206, headers };
    if (fault === null) return new Response(rest, init);
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(rest.slice(0, Math.ceil(rest.length / 2)));
        if (fault === "stall") return;
        // The first half shall be on its way before the connection breaks.
        await new Promise((resolve) => setTimeout(resolve, 50));
        controller.error(new Error("cut"));
      },
    });
    return new Response(body, init);
  });
  const origin = `http://127.0.0.1:${storage.addr.port}`;

  const hub = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { path, fault } = await note(request, "hub");
    if (fault instanceof Response) return fault;
    const [, of, revision] = /^\/api\/(?:models|datasets)\/(.+)\/revision\/(.+)$/.exec(path) ?? [];
    if (of === repo && /^(main|v1)$/.test(revision!)) {
      return Response.json({ _id: "1", id: repo, sha: COMMIT });
    }
    if (of !== undefined) {
      const code = of === repo ? "RevisionNotFound" : "RepoNotFound";
      return Response.json({ error: code }, { status: 404, headers: { "X-Error-Code": code } });
    }
    if (path.endsWith(`${repo}/tree/${COMMIT}`)) {
      return Response.json(
        Object.entries(files).map(([path, bytes]) => ({
          type: "file",
          path,
          size: bytes.length,
          oid: oid(bytes),
          lfs: isLfs(path) ? { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } : undefined,
        })),
      );
    }
    const [, file] = path.split(`${repo}/resolve/${COMMIT}/`);
    return new Response(null, { status: 302, headers: { Location: `${origin}/${file}` } });
  });

  const server: HubServer = {
    url: `http://127.0.0.1:${hub.addr.port}`,
    seen,
    fault: () => null,
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.shutdown(), storage.shutdown()]);
    },
  };
  return server;
}
