// The hub's API: requests with the token, and the live events.

const SILENCE_MS = 40_000; // the hub says something at least every 15 s
const RETRY_MS = 1_000;

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function headers(more = {}) {
  const token = sessionStorage.getItem("token");
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function checked(response) {
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem.detail ?? response.statusText);
}

/** GET a path of the API; its JSON. Throws `Refused`, or TypeError where the hub is away. */
export async function get(path) {
  const response = await fetch(path, { headers: headers(), signal: AbortSignal.timeout(10_000) });
  return (await checked(response)).json();
}

/**
 * Follow the live events for ever: `heard(event, data)` for each, `state("live" | "lost", why)` as
 * the connection comes and goes. Returns a function that ends it.
 *
 * Not EventSource: that cannot send the token.
 */
export function follow(path, heard, state) {
  const ending = new AbortController();
  let last = null;

  async function once() {
    const silence = new AbortController();
    let timer;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error("no word from the hub")), SILENCE_MS);
    };
    try {
      alive();
      const response = await checked(await fetch(path, {
        headers: headers(last ? { "Last-Event-ID": last } : {}),
        signal: AbortSignal.any([ending.signal, silence.signal]),
        cache: "no-store",
      }));
      state("live");
      let text = "";
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        alive();
        text += chunk;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const fields = Object.fromEntries(
            block.split("\n").filter((line) => line && !line.startsWith(":")).map((line) => {
              const at = line.indexOf(":");
              return [line.slice(0, at), line.slice(at + 1).trimStart()];
            }),
          );
          if (fields.id) last = fields.id;
          if (fields.event) heard(fields.event, JSON.parse(fields.data ?? "{}"));
        }
      }
      throw new Error("the hub has closed the connection");
    } finally {
      clearTimeout(timer);
    }
  }

  (async () => {
    while (!ending.signal.aborted) {
      try {
        await once();
      } catch (error) {
        if (ending.signal.aborted) return;
        state("lost", error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  })();
  return () => ending.abort();
}
