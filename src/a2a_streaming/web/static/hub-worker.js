// The shared worker that holds a browser's one stream, for all pages of one identity.

import { Hub } from "./hub.js";

const PATIENCE = 3000; // a page that sleeps doesn't answer; another one may

const life = `a2a-worker-${crypto.randomUUID()}`;
const living = new Promise((lives) => {
  navigator.locks.request(life, () => {
    lives();
    return new Promise(() => {}); // until the worker ends
  });
});
const pages = new Set();
const waiting = new Map(); // number → what goes on with a page's answer
let numbers = 0;

/** Ask a page for what the stream is opened with: it has the key or token, and this worker never has. */
async function provide(asked) {
  for (const tell of pages) {
    const answer = await new Promise((resolve) => {
      const number = ++numbers;
      waiting.set(number, resolve);
      tell({ kind: "provide", number, asked });
      setTimeout(() => waiting.delete(number) && resolve(undefined), PATIENCE);
    });
    if (answer !== undefined) return answer;
  }
  throw new Error("No page has answered.");
}

const hub = new Hub(provide);
self.addEventListener("online", () => hub.wake(true));
self.addEventListener("offline", () => hub.sleep());

self.addEventListener("connect", ({ ports: [port] }) => {
  const tell = (message) => port.postMessage(message);
  const followers = new Map(); // number → {end, tell}
  pages.add(tell);
  living.then(() => tell({ kind: "hello", lock: life }));
  const deaf = hub.listen((state) => tell({ kind: "state", state }));

  function leave() {
    deaf();
    pages.delete(tell);
    for (const end of followers.values()) end();
    port.close();
  }

  function join(begin, leave, name, number) {
    const follower = (message) => tell({ ...message, number });
    followers.set(number, () => hub[leave](name, follower));
    hub[begin](name, follower);
  }

  function end(number) {
    followers.get(number)?.();
    followers.delete(number);
  }

  const does = {
    provided: ({ number, answer }) => {
      waiting.get(number)?.(answer);
      waiting.delete(number);
    },
    signedIn: () => hub.signedIn(),
    follow: ({ task, number }) => join("follow", "unfollow", task, number),
    unfollow: ({ number }) => end(number),
    followTopic: ({ topic, number }) => join("followTopic", "unfollowTopic", topic, number),
    unfollowTopic: ({ number }) => end(number),
    wake: ({ online }) => hub.wake(online),
    sleep: () => hub.sleep(),
    // The page holds this lock for as long as it lives, however it ends.
    hello: ({ lock }) => navigator.locks.request(lock, leave),
  };
  port.onmessage = ({ data }) => does[data.do](data);
});
