// The one event stream of a browser: what its pages follow goes over it, however many tasks these are.
//
// Runs in a shared worker, for all pages of one identity, or within a page where there are none (`stream.js`
// chooses). A follower is told a task's story from its beginning; who comes later is told it from memory.

import { frames } from "./sse.js";
import { isTerminal, label } from "./fold.js";

const SILENCE = 45_000; // the server gives a sign of life each 15 s
const STALE = 20_000; // after a sleep, a stream that has been silent so long is opened anew
const WAITS = [0, 500, 1000, 2000, 4000, 8000];
const MOST_TASKS = 200;

/** How the connection stands: `idle`, `connecting`, `live`, `waiting`, `offline`, `signed-out`. */
export class Hub {
  #tasks = new Map(); // id → {position, told: [...], followers: Set, ended}
  #topics = new Map(); // name → {version, data, followers: Set}
  #listeners = new Set();
  #state = { name: "idle" };
  #connection = null;
  #again = 0; // failures in a row
  #timer = null;
  #alive = 0;
  #watch = null;
  #opening = null;
  #offline = false;
  #left = false; // whether there were more tasks than a stream may have
  #provide;

  /**
   * @param {(asked: {tasks: string[], topics: string[]}) => Promise<{headers?: object, ticket?: string} | null>} provide
   *   gives what the stream is opened with, each time; null if whoever asks must sign in first
   */
  constructor(provide) {
    this.#provide = provide;
  }

  /** Hear how the connection stands, at once and whenever it changes; returns what ends that. */
  listen(listener) {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  /** Somebody has signed in. */
  signedIn() {
    if (this.#state.name === "signed-out") this.#open();
  }

  /** Follow a task from its beginning; `follower` is called with each message, `unfollow` ends it. */
  follow(id, follower) {
    let task = this.#tasks.get(id);
    if (!task) {
      task = { position: null, told: [], followers: new Set(), ended: false };
      this.#tasks.set(id, task);
      this.#reopen();
    }
    task.followers.add(follower);
    for (const message of task.told) follower(message);
  }

  unfollow(id, follower) {
    const task = this.#tasks.get(id);
    if (!task?.followers.delete(follower) || task.followers.size) return;
    this.#tasks.delete(id);
    if (!task.ended) this.#reopen();
  }

  /** Follow a topic: how it stands, at once and whenever that changes. */
  followTopic(name, follower) {
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = { version: null, data: undefined, followers: new Set() };
      this.#topics.set(name, topic);
      this.#reopen();
    }
    topic.followers.add(follower);
    if (topic.data !== undefined) follower({ kind: "topic", topic: name, data: topic.data });
  }

  unfollowTopic(name, follower) {
    const topic = this.#topics.get(name);
    if (!topic?.followers.delete(follower) || topic.followers.size) return;
    this.#topics.delete(name);
    this.#reopen();
  }

  /**
   * A page is looked at again, or the network is back: don't wait.
   * @param {boolean} online whether it is known that there is a network
   */
  wake(online = false) {
    if (online) this.#offline = false;
    if (this.#state.name === "waiting" || this.#state.name === "offline") this.#open();
    else if (this.#connection && Date.now() - this.#alive > STALE) this.#open();
  }

  /** The network has gone. */
  sleep() {
    this.#offline = true;
    if (this.#wanted()) this.#tell({ name: "offline" });
  }

  #wanted() {
    return this.#topics.size > 0 || [...this.#tasks.values()].some((task) => !task.ended);
  }

  #tell(state) {
    if (state.name === "live") this.#offline = false;
    // It is tried all the same: a browser may be wrong about its network.
    else if (this.#offline && state.name !== "idle") state = { name: "offline" };
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  /** What is followed has changed: open the stream anew, once for all that changes now. */
  #reopen() {
    if (this.#opening) return;
    this.#opening = setTimeout(() => {
      this.#opening = null;
      if (this.#state.name !== "signed-out") this.#open();
    });
  }

  #open() {
    clearTimeout(this.#timer);
    this.#connection?.abort();
    this.#connection = null;
    if (!this.#wanted()) return this.#tell({ name: "idle" });
    const connection = (this.#connection = new AbortController());
    if (this.#state.name !== "live") this.#tell({ name: "connecting" });
    this.#read(connection).then(
      (later) => this.#ended(connection, later),
      () => this.#ended(connection),
    );
  }

  async #read(connection) {
    this.#heard();
    this.#guard(connection);
    const open = [...this.#tasks].filter(([, task]) => !task.ended);
    this.#left = open.length > MOST_TASKS;
    // What this stream tells is of these, whatever is followed by then under the same names.
    const followed = new Map(open.slice(-MOST_TASKS));
    const asked = {
      tasks: Object.fromEntries([...followed].map(([id, task]) => [id, task.position])),
      topics: Object.fromEntries([...this.#topics].map(([name, topic]) => [name, topic.version])),
    };
    const credential = await this.#provide({ tasks: Object.keys(asked.tasks), topics: Object.keys(asked.topics) });
    if (!credential) return "signed-out";
    const { headers = {}, ticket } = credential;
    const response = await fetch(`/web/events${ticket ? `?ticket=${encodeURIComponent(ticket)}` : ""}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(asked),
      signal: connection.signal,
      cache: "no-store",
    });
    if (response.status === 401) return "signed-out";
    if (!response.ok) return Number(response.headers.get("retry-after")) * 1000 || undefined;
    this.#tell({ name: "live" });
    for await (const frame of frames(response, () => this.#heard())) {
      if (connection !== this.#connection) return undefined;
      this.#again = 0;
      this.#take(frame, followed);
    }
    return undefined;
  }

  #heard() {
    this.#alive = Date.now();
  }

  /** Give a connection up that gives no sign of life. */
  #guard(connection) {
    clearInterval(this.#watch);
    this.#watch = setInterval(() => {
      if (connection === this.#connection && Date.now() - this.#alive > SILENCE) connection.abort();
    }, 5000);
  }

  #ended(connection, later) {
    if (connection !== this.#connection) return;
    clearInterval(this.#watch);
    this.#connection = null;
    if (later === "signed-out") return this.#tell({ name: "signed-out" });
    if (!this.#wanted()) return this.#tell({ name: "idle" });
    const most = later ?? WAITS[Math.min(this.#again, WAITS.length - 1)];
    this.#again += 1;
    const wait = Math.round(most * (0.5 + Math.random() / 2)); // not all clients at once
    if (globalThis.navigator?.onLine === false) this.#offline = true;
    this.#tell({ name: "waiting" });
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  #take({ event, id, data }, followed) {
    const body = JSON.parse(data);
    const topic = this.#topics.get(event);
    if (topic) {
      topic.version = body.version;
      topic.data = body.data;
      for (const follower of topic.followers) follower({ kind: "topic", topic: event, data: body.data });
      return;
    }
    const at = id.lastIndexOf("@");
    const name = event === "gone" ? body.task : id.slice(0, at);
    const task = this.#tasks.get(name);
    if (!task || followed.get(name) !== task) return;
    if (event === "gone") return this.#gone(name);
    task.position = id.slice(at + 1);
    const message = { kind: event === "reset" ? "reset" : "event", task: id.slice(0, at), position: task.position, body };
    if (event === "reset") task.told = [];
    task.told.push(message);
    const status = event === "reset" ? body.task.status : (body.task ?? body.statusUpdate)?.status;
    task.ended = event === "message" || (status !== undefined && isTerminal(label(status.state)));
    for (const follower of task.followers) follower(message);
    if (task.ended) this.#room();
  }

  /** A task has ended: there is room on the stream for one that was left out. */
  #room() {
    if (this.#left) this.#reopen();
  }

  #gone(id) {
    const task = this.#tasks.get(id);
    task.ended = true;
    this.#room();
    const message = { kind: "gone", task: id };
    task.told.push(message);
    for (const follower of task.followers) follower(message);
  }
}
