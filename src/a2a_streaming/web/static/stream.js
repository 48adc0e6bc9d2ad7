// A page's way to its browser's one stream.

import { Hub } from "./hub.js";

// Trusted Types: the one script that a page may start as a worker.
const policy = globalThis.trustedTypes?.createPolicy("a2a", {
  createScriptURL: () => new URL("./hub-worker.js", import.meta.url).href,
});

/** The stream of one identity. */
export class Stream {
  #followers = new Map(); // task → Set
  #topics = new Map(); // topic → Set
  #listeners = new Set();
  #state = { name: "idle" };
  #ask;
  #provide;

  /**
   * @param {string} identity who asks: pages of the same identity share a stream
   * @param {(asked: object) => Promise<object | null>} provide gives what it is opened with; see `tickets.js`
   */
  constructor(identity, provide) {
    this.#provide = provide;
    this.#ask = (globalThis.SharedWorker && navigator.locks && this.#inWorker(identity)) || this.#inPage();
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
    followers.set(key, follower);
    this.#ask(begin);
    return () => followers.delete(key) && this.#ask(end);
  }

  #take = (message) => {
    if (message.kind === "state") {
      this.#state = message.state;
      for (const listener of this.#listeners) listener(message.state);
    } else if (message.kind === "provide") {
      const answer = (answer) => this.#ask({ do: "provided", number: message.number, answer });
      this.#provide(message.asked).then(answer, () => answer(undefined));
    } else if (message.kind === "topic") {
      this.#topics.get(message.topic)?.(message.data);
    } else {
      this.#followers.get(message.task)?.(message);
    }
  };

  #inWorker(identity) {
    const url = policy ? policy.createScriptURL("") : new URL("./hub-worker.js", import.meta.url);
    const worker = new SharedWorker(url, { type: "module", name: `a2a ${identity}` });
    worker.port.onmessage = ({ data }) => this.#take(data);
    const lock = `a2a-page-${crypto.randomUUID()}`;
    navigator.locks.request(lock, () => {
      worker.port.postMessage({ do: "hello", lock });
      return new Promise(() => {}); // until the page ends
    });
    return (message) => worker.port.postMessage(message);
  }

  #inPage() {
    const hub = new Hub(this.#provide);
    hub.listen((state) => this.#take({ kind: "state", state }));
    return (message) => {
      const { do: does, ...asked } = message;
      if (does === "wake" || does === "sleep" || does === "signedIn") hub[does](asked.online);
      else hub[does](asked.task ?? asked.topic, this.#take);
    };
  }
}
