import { join } from "node:path";

/** A Chromium is looked for in these places, the PATH among them, if $CHROMIUM names none. */
const NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** The path of a Chromium or Chrome of this machine, if it has one. */
export function findChromium(): string | undefined {
  const named = Deno.env.get("CHROMIUM");
  if (named) return named;
  const separator = Deno.build.os === "windows" ? ";" : ":";
  const onPath = NAMES.flatMap((name) => (Deno.env.get("PATH") ?? "").split(separator).map((dir) => join(dir, name)));
  return [...onPath, ...PLACES].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** A page in a headless Chromium, by its DevTools protocol. */
export interface BrowserPage {
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** The page's log, and each error in it. */
  readonly messages: readonly string[];
  /** The addresses that the page asked for, its own first. */
  readonly requests: readonly string[];
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  // deno-lint-ignore no-explicit-any
  readonly params?: any;
  // deno-lint-ignore no-explicit-any
  readonly result?: any;
  readonly error?: { readonly message: string };
}

/** Opens a page, waits for its load, and calls `use` with it; then ends the browser. */
export async function withPage<T>(
  chromium: string,
  url: string,
  { javaScript = true }: { readonly javaScript?: boolean },
  use: (page: BrowserPage) => Promise<T>,
): Promise<T> {
  const profile = await Deno.makeTempDir();
  const browser = new Deno.Command(chromium, {
    args: [
      "--headless",
      // Chromium has no sandbox for root.
      ...(Deno.uid() === 0 ? ["--no-sandbox"] : []),
      "--no-first-run",
      "--disable-background-networking",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const errors = browser.stderr.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let said = "";
    let address;
    while (!(address = said.match(/DevTools listening on (ws:\S+)\s/)?.[1])) {
      const { value, done } = await errors.read();
      if (done) throw new Error(`Cannot start "${chromium}": ${said.trim()}`);
      said += value;
    }
    const devTools = await DevTools.connect(address);
    try {
      const { targetId } = await devTools.send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await devTools.send("Target.attachToTarget", { targetId, flatten: true });
      const send = (method: string, params: object = {}) => devTools.send(method, params, sessionId);
      const messages: string[] = [];
      const requests: string[] = [];
      let loaded = () => {};
      const loading = new Promise<void>((resolve) => loaded = resolve);
      devTools.onEvent = ({ method, params }) => {
        if (method === "Network.requestWillBeSent") requests.push(params.request.url);
        if (method === "Log.entryAdded") messages.push(params.entry.text);
        if (method === "Runtime.consoleAPICalled") messages.push(JSON.stringify(params.args));
        if (method === "Runtime.exceptionThrown") messages.push(JSON.stringify(params.exceptionDetails));
        if (method === "Page.loadEventFired") loaded();
      };
      for (const domain of ["Network", "Log", "Runtime", "Page"]) await send(`${domain}.enable`);
      await send("Emulation.setScriptExecutionDisabled", { value: !javaScript });
      await send("Page.navigate", { url });
      await loading;
      return await use({
        messages,
        requests,
        evaluate: async (expression) => {
          const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true });
          if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
          return result.value;
        },
      });
    } finally {
      // Debian's command is a script that waits for the browser: killing the script would leave the browser.
      await devTools.send("Browser.close", {}).catch(() => {});
      devTools.close();
    }
  } finally {
    await errors.cancel();
    await browser.status;
    // A helper process of the browser may still write there.
    await Deno.remove(profile, { recursive: true }).catch(() => {});
  }
}

class DevTools {
  onEvent: (message: Message) => void = () => {};
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Message>>();
  #sent = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const message: Message = JSON.parse(data);
      if (message.id === undefined) this.onEvent(message);
      else this.#waiting.get(message.id)!.resolve(message);
    };
    socket.onclose = () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The browser has gone"));
    };
  }

  static async connect(address: string): Promise<DevTools> {
    const socket = new WebSocket(address);
    const devTools = new DevTools(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`Cannot connect to ${address}`));
    });
    return devTools;
  }

  // deno-lint-ignore no-explicit-any
  async send(method: string, params: object, sessionId?: string): Promise<any> {
    const id = ++this.#sent;
    const answer = Promise.withResolvers<Message>();
    this.#waiting.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answer.promise;
    this.#waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  close(): void {
    this.#socket.onclose = null;
    this.#socket.close();
  }
}
