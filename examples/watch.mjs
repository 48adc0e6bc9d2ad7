// A task's story with plain fetch, in a browser or in Node 18 and later. It comes back with the last
// position it has seen until a final status tells it to stop: an end of the connection is no end of the story.
//
//   node watch.mjs http://127.0.0.1:8000 task-123

/**
 * Tell a task's story, event by event.
 * @param {string} agent The agent's address.
 * @param {string} task The task's id.
 * @param {{after?: string, signal?: AbortSignal}} [options] The last position seen; a way to stop.
 * @yields {{position: string, data: object}} Events, in order, none twice.
 */
export async function* watch(agent, task, { after = "", signal } = {}) {
  let pause = 200;
  for (;;) {
    try {
      const response = await fetch(`${agent}/tasks/resubscribe`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(after && { "last-event-id": after }) },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tasks/resubscribe", params: { id: task } }),
        signal,
      });
      if (response.status >= 500) throw new TypeError(`the server answered ${response.status}`);
      if (!response.headers.get("content-type").startsWith("text/event-stream")) {
        const { error } = await response.json();
        throw new Error(`${error.message}: ${error.data?.detail}`); // a refusal: trying again won't help
      }
      let told = 0;
      for await (const event of read(response.body)) {
        pause = 200;
        told += 1;
        after = event.position;
        yield event;
        if (event.data.final) return;
      }
      // A stream that ends without a word after a position: its last event has been seen before.
      if (!told && after) {
        const { result } = await (await fetch(`${agent}/tasks/get`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tasks/get", params: { id: task } }),
          signal,
        })).json();
        if (["completed", "failed", "canceled"].includes(result?.status.state)) return;
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
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s, 2)),
      );
      if (fields.data) yield { position: fields.id, data: JSON.parse(fields.data) };
    }
  }
}

if (typeof process !== "undefined" && import.meta.url === `file://${process.argv[1]}`) {
  for await (const { position, data } of watch(process.argv[2], process.argv[3])) {
    console.log(position, JSON.stringify(data));
  }
}
