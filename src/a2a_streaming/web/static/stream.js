// A page's way to its browser's one stream.

import { Hub } from "./hub.js";

// Trusted Types: the one script that a page may start as a worker.
const policy = globalThis.trustedTypes?.createPolicy("a2a", {
  createScriptURL: () => new URL("./hub-worker.js", import.meta.url).href,
});

const PATIENCE = 2000; // until another worker must have said hello

/** The stream of one identity. */
export class Stream {
  #followers = new Map(); // task → Set
  #topics = new Map(); // topic → Set
  #listeners = new Set();
  #state = { name: "idle" };
  #ask;
  #identity;
  #provide;
  #numbers = 0;

  /**
   * @param {string} identity who asks: pages of the same identity share a stream
   * @param {(asked: object) => Promise<object | null>} provide gives what it is opened with; see `tickets.js`
   */
  constructor(identity, provide) {
    this.#identity = identity;
    this.#provide = provide;
    this.#ask = (globalThis.SharedWorker && navigator.locks && this.#inWorker()) || this.#inPage();
    this.signedIn(); // whoever could ask for nothing any more, can now
    addEventListener("online", () => this.#ask({ do: "wake", online: true }));
    addEventListener("offline", () => this.#ask({ do: "sleep" }));
    addEventListener("pageshow", () => this.#ask({ do: "wake" }));
    document.addEventListener("visibilitychange", () => document.hidden || this.#ask({ do: "wake" }));
  }

  /** Somebody has signed in again. */
  signedIn() {
    this.#ask({ do: "signedIn" });
  }

  /** Hear how the connection stands, at once and whenever it changes. */
  listen(listener) {
    this.#listeners.add(listener);
    listener(this.#state);
  }

  /**
   * Follow a task from its beginning, to its end.
   * @param {string} task its id
   * @param {(message: object) => void} follower told each `event`, `reset` or `gone`
   * @returns {() => void} what ends it
   */
  follow(task, follower) {
    return this.#join(this.#followers, task, follower, { do: "follow", task }, { do: "unfollow", task });
  }

  /** Follow a topic; `follower` is told how it stands. */
  followTopic(topic, follower) {
    return this.#join(this.#topics, topic, follower, { do: "followTopic", topic }, { do: "unfollowTopic", topic });
  }

  #join(followers, key, follower, begin, end) {
    if (followers.has(key)) throw new Error(`This page follows ${key} already.`);
    // Messages to one that has left meanwhile may still be under way: each is told its own number.
    const number = ++this.#numbers;
    followers.set(key, { follower, number, begin });
    this.#ask({ ...begin, number });
    return () => {
      if (followers.get(key)?.number !== number) return;
      followers.delete(key);
      this.#ask({ ...end, number });
    };
  }

  #take = (message) => {
    if (message.kind === "state") {
      this.#state = message.state;
      for (const listener of this.#listeners) listener(message.state);
    } else if (message.kind === "provide") {
      const answer = (answer) => this.#ask({ do: "provided", number: message.number, answer });
      this.#provide(message.asked).then(answer, () => answer(undefined));
    } else if (message.kind === "topic") {
      const known = this.#topics.get(message.topic);
      if (known?.number === message.number) known.follower(message.data);
    } else {
      const known = this.#followers.get(message.task);
      if (known?.number === message.number && this.#isNew(known, message)) known.follower(message);
    }
  };

  /** Whether a follower hasn't been told this yet: a story that is begun again is told from its start. */
  #isNew(known, { kind, position }) {
    const again = known.until !== undefined && kind === "event";
    if (!again || position === known.until) known.until = undefined;
    if (!again) known.position = position;
    return !again;
  }

  #inWorker(patience) {
    const url = policy ? policy.createScriptURL("") : new URL("./hub-worker.js", import.meta.url);
    const worker = new SharedWorker(url, { type: "module", name: `a2a ${this.#identity}` });
    // One that ends in this very moment still takes connections, and answers nobody.
    const timer = patience && setTimeout(() => (worker.port.close(), this.#goOnInWorker()), patience);
    worker.port.onmessage = ({ data }) => {
      if (data.kind !== "hello") return this.#take(data);
      clearTimeout(timer);
      // The worker holds this lock for as long as it lives, however it ends.
      navigator.locks.request(data.lock, { mode: "shared" }, () => this.#goOnInWorker());
    };
    worker.onerror = () => this.#goOn(this.#inPage()); // it can't be loaded here
    const lock = `a2a-page-${crypto.randomUUID()}`;
    navigator.locks.request(lock, () => {
      worker.port.postMessage({ do: "hello", lock });
      return new Promise(() => {}); // until the page ends
    });
    return (message) => worker.port.postMessage(message);
  }

  /** The worker has ended: go on in another. */
  #goOnInWorker() {
    this.#goOn(this.#inWorker(PATIENCE));
  }

  /** Begin what is followed in another way. */
  #goOn(ask) {
    this.#ask = ask;
    for (const known of this.#followers.values()) known.until = known.position;
    for (const { begin, number } of [...this.#followers.values(), ...this.#topics.values()]) this.#ask({ ...begin, number });
  }

  #inPage() {
    const hub = new Hub(this.#provide);
    const told = new Map(); // number → what the hub tells it
    hub.listen((state) => this.#take({ kind: "state", state }));
    return ({ do: does, number, online, task, topic }) => {
      if (does === "wake" || does === "sleep" || does === "signedIn") return hub[does](online);
      if (!told.has(number)) told.set(number, (message) => this.#take({ ...message, number }));
      hub[does](task ?? topic, told.get(number));
      if (does.startsWith("un")) told.delete(number);
      return undefined;
    };
  }
}
