// The shared worker that holds a browser's one stream, for all pages of one identity.

import { Hub } from "./hub.js";

const hub = new Hub();
self.addEventListener("online", () => hub.wake());
self.addEventListener("offline", () => hub.sleep());

self.addEventListener("connect", ({ ports: [port] }) => {
  const tell = (message) => port.postMessage(message);
  const tasks = new Set();
  const topics = new Set();
  const deaf = hub.listen((state) => tell({ kind: "state", state }));

  function leave() {
    deaf();
    for (const id of tasks) hub.unfollow(id, tell);
    for (const name of topics) hub.unfollowTopic(name, tell);
    port.close();
  }

  const does = {
    credential: ({ credential }) => hub.credential(credential),
    follow: ({ task }) => tasks.add(task) && hub.follow(task, tell),
    unfollow: ({ task }) => tasks.delete(task) && hub.unfollow(task, tell),
    followTopic: ({ topic }) => topics.add(topic) && hub.followTopic(topic, tell),
    unfollowTopic: ({ topic }) => topics.delete(topic) && hub.unfollowTopic(topic, tell),
    wake: () => hub.wake(),
    sleep: () => hub.sleep(),
    // The page holds this lock for as long as it lives, however it ends.
    hello: ({ lock }) => navigator.locks.request(lock, leave),
  };
  port.onmessage = ({ data }) => does[data.do](data);
});
