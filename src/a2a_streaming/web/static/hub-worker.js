// The shared worker that holds a browser's one stream, for all pages of one identity.

import { Hub } from "./hub.js";

const PATIENCE = 3000; // a page that sleeps doesn't answer; another one may

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
  const tasks = new Set();
  const topics = new Set();
  pages.add(tell);
  const deaf = hub.listen((state) => tell({ kind: "state", state }));

  function leave() {
    deaf();
    pages.delete(tell);
    for (const id of tasks) hub.unfollow(id, tell);
    for (const name of topics) hub.unfollowTopic(name, tell);
    port.close();
  }

  const does = {
    provided: ({ number, answer }) => {
      waiting.get(number)?.(answer);
      waiting.delete(number);
    },
    signedIn: () => hub.signedIn(),
    follow: ({ task }) => tasks.add(task) && hub.follow(task, tell),
    unfollow: ({ task }) => tasks.delete(task) && hub.unfollow(task, tell),
    followTopic: ({ topic }) => topics.add(topic) && hub.followTopic(topic, tell),
    unfollowTopic: ({ topic }) => topics.delete(topic) && hub.unfollowTopic(topic, tell),
    wake: ({ online }) => hub.wake(online),
    sleep: () => hub.sleep(),
    // The page holds this lock for as long as it lives, however it ends.
    hello: ({ lock }) => navigator.locks.request(lock, leave),
  };
  port.onmessage = ({ data }) => does[data.do](data);
});
