// Server-Sent Events out of a response that is read as it comes: what `EventSource` does, for requests that
// carry a body and headers (HTML standard, section 9.2.6).

/** Splits what comes into frames; a frame may come in any number of pieces. */
export class FrameParser {
  #rest = "";
  #frame = {};

  /**
   * Take the next piece of the stream.
   * @param {string} text what has come
   * @returns {{event: string, id: string, data: string, retry: number | undefined}[]} the frames that are whole now
   */
  push(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    const frames = [];
    for (const line of lines) {
      if (line === "" || line === "\r") {
        if (this.#frame.data !== undefined) frames.push({ event: "message", id: "", ...this.#frame });
        this.#frame = {};
      } else {
        this.#take(line.endsWith("\r") ? line.slice(0, -1) : line);
      }
    }
    return frames;
  }

  #take(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    const frame = this.#frame;
    if (field === "data") frame.data = frame.data === undefined ? value : `${frame.data}\n${value}`;
    else if (field === "event" || field === "id") frame[field] = value;
    else if (field === "retry" && /^\d+$/.test(value)) frame.retry = Number(value);
  }
}

/**
 * Read a response's frames until it ends.
 * @param {Response} response a stream
 * @param {() => void} alive called with whatever comes, heartbeats too
 */
export async function* frames(response, alive = () => {}) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new FrameParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      yield* parser.push(value);
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have broken already
  }
}
