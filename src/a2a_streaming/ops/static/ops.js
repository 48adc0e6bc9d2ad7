// The operations dashboard: an overview, and a page for each task.

import { session } from "/web/api.js";
import "/web/elements/connection-badge.js";
import { signedIn } from "/web/elements/sign-in.js";
import { Stream } from "/web/stream.js";
import { provider } from "/web/tickets.js";
import { Overview } from "./overview.js";
import { TaskPage } from "./task.js";

session.customer = ""; // whoever operates the platform, is no customer
const main = document.getElementById("main");
const who = await signedIn(main, ["operator"]);
const stream = new Stream(await session.identity(), provider(who));
stream.listen((state) => document.getElementById("connection").show(state));

let page = null;

function show() {
  page?.close();
  main.replaceChildren();
  const query = new URLSearchParams(location.search);
  const task = query.get("task");
  document.title = task ? `Task ${task.slice(0, 12)}` : "Operations";
  page = task ? new TaskPage(main, stream, task) : new Overview(main, stream, query);
}

// Places of this page are gone to without loading it anew: the stream stays open.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/ops']");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
  main.focus();
});
addEventListener("popstate", show);
show();
document.documentElement.dataset.ready = "true";
