// A task's story with plain fetch, in a browser or in Node 18 and later. It comes back with the last
// position it has seen until a final status tells it to stop: an end of the connection is no end of the story.
//
//   node watch.mjs http://127.0.0.1:8000 task-123 [last position seen]

/**
 * Tell a task's story, event by event.
 *
 * An event with `reset` says that the story can't be continued: throw away what you have shown, show the task
 * in `reset.task`, and go on; what follows comes next.
 * @param {string} agent The agent's address.
 * @param {string} task The task's id.
 * @param {{after?: string, signal?: AbortSignal}} [options] The last position seen; a way to stop.
 * @yields {{position: string, data: object, reset?: {reason: string, task: object}}} Events, in order, none twice.
 */
export async function* watch(agent, task, { after = "", signal } = {}) {
  const call = (method, headers = {}) => fetch(`${agent}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { id: task } }),
    signal,
  });
  let pause = 200;
  let over = false; // whether the task had ended before this connection
  for (;;) {
    try {
      const response = await call("tasks/resubscribe", after && { "last-event-id": after });
      if (response.status >= 500) throw new TypeError(`the server answered ${response.status}`);
      if (!response.headers.get("content-type").startsWith("text/event-stream")) {
        const { error } = await response.json();
        throw new Error(`${error.message}: ${error.data?.detail}`); // a refusal: trying again won't help
      }
      let silent = after !== "";
      for await (const { position, data } of read(response.body)) {
        pause = 200;
        silent = over = false;
        after = position;
        yield { position, data, reset: data.metadata?.reset };
        if (data.final) return;
      }
      // A stream that ends without a word after a position: all was told before, or it is a cut. What an
      // ended task still has to tell, the next connection brings.
      if (silent && over) return;
      if (silent) {
        const { result } = await (await call("tasks/get")).json();
        over = ["completed", "failed", "canceled"].includes(result?.status.state);
      }
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause; // fetch tells a lost connection by a TypeError
    }
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    pause = Math.min(pause * 2, 5000);
  }
}

/** Read Server-Sent Events; what the end of the stream cuts off is dropped. */
async function* read(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await alive(reader.read());
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(
          block.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s, 2)),
        );
        if (fields.data) yield { position: fields.id, data: JSON.parse(fields.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // whoever stops listening closes the connection
  }
}

/** Wait for bytes; a server sends some every 15 s, so a connection without any for 45 s is dead. */
function alive(bytes) {
  let timer;
  const dead = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TypeError("nothing came")), 45_000);
  });
  return Promise.race([bytes, dead]).finally(() => clearTimeout(timer));
}

if (typeof process !== "undefined" && import.meta.url === `file://${process.argv[1]}`) {
  const [, , agent, task, after] = process.argv;
  for await (const { position, data, reset } of watch(agent, task, { after })) {
    console.log(position, reset ? `reset ${JSON.stringify(reset.task)}` : JSON.stringify(data));
  }
}
