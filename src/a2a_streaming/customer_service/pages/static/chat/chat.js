// The customer's chat.

import { ask, persist, session, whoAmI } from "/web/api.js";
import { announcer, h } from "/web/dom.js";
import { signedIn, signingOut } from "/web/elements/sign-in.js";
import "/web/elements/connection-badge.js";
import { Stream } from "/web/stream.js";
import { provider } from "/web/tickets.js";
import { Conversation } from "./conversation.js";
import { History } from "./history.js";

const $ = (id) => document.getElementById(id);
const text = $("text");
const scroller = $("scroller");

const CUSTOMERS = ["customer", "agent", "service"]; // an operator sees everybody's: their page is another one

const embedded = new URLSearchParams(location.search).has("embed");
document.documentElement.toggleAttribute("data-embedded", embedded);
await tokenOfLink();
if (embedded) await tokenFromOutside();

const who = await signedIn(document.querySelector("main"), CUSTOMERS);
const identity = await session.identity();
const stream = new Stream(identity, provider(who));
const tell = new BroadcastChannel(`a2a-chat-${identity}`);
let atEnd = true;

const announce = announcer($("announcements"));
const conversation = new Conversation($("conversation"), stream, {
  changed: paint,
  named() {
    place(`context=${encodeURIComponent(conversation.context)}`);
  },
  begun(task) {
    tell.postMessage({ context: conversation.context, task });
    history.refresh();
  },
  announce(words) {
    announce(words);
    if (document.hidden) document.title = `● ${words}`;
  },
});
const history = new History($("history").querySelector("ul"), () => conversation.context);

stream.listen((state) => $("connection").show(state));
signingOut($("connection"), stream, who);
if (!who.task) {
  // What other devices begin. A link is for one request alone.
  stream.followTopic("tasks", () => {
    history.refresh();
    conversation.renew().catch(() => {}); // it is asked again with the next change
  });
}
tell.onmessage = ({ data }) => {
  if (data.context === conversation.context) conversation.attach(data.task);
  history.refresh();
};

function place(hash) {
  window.history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  history.mark();
}

async function open() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  try {
    if (who.task || wanted.get("task")) conversation.show(who.task || wanted.get("task"));
    else if (wanted.get("context")) await conversation.load(wanted.get("context"));
    else conversation.leave();
    trouble("");
  } catch (error) {
    trouble(error.message);
  }
  atEnd = true;
  $("history").classList.remove("open");
  $("menu").setAttribute("aria-expanded", "false");
  history.refresh();
  paint();
}

/** Show how the conversation stands, beside what its stories show themselves. */
function paint() {
  const story = conversation.latest;
  const { open } = conversation;
  $("welcome").hidden = !conversation.isEmpty;
  $("cancel").hidden = !open;
  const human = open?.human?.name;
  $("human").hidden = !open?.handedOver;
  $("human").textContent = human ? `${human} is with you` : "A colleague will be with you soon";
  text.placeholder = open?.form ? "Or answer in your own words…" : "Write a message…";
  $("share").hidden = !(who.authentication && story?.task && !who.task);
  $("composer").hidden = Boolean(who.task && story?.ended);
  if (story?.ended) {
    const done = `${story.task.id} ${story.state}`;
    if (paint.done !== done) history.refresh();
    paint.done = done;
  }
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}

function trouble(words) {
  $("trouble").textContent = words;
  $("told").textContent = "";
}

/** By a link to another device: it says who asks, and for which request alone. Anything else that is no link's isn't taken. */
async function tokenOfLink() {
  const opened = new URLSearchParams(location.hash.slice(1));
  const token = opened.get("token");
  if (!token) return;
  opened.delete("token");
  window.history.replaceState(null, "", `#${opened}`); // it isn't to stay in the address
  const before = session.credential;
  session.credential = token;
  const told = await persist(whoAmI);
  if (!told.task) session.credential = before;
}

async function submit(words) {
  atEnd = true;
  trouble("");
  await conversation.send([{ text: words }]);
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  fit();
  submit(words);
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
text.addEventListener("input", fit);
function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

$("cancel").addEventListener("click", async (event) => {
  event.target.disabled = true;
  try {
    await conversation.cancel();
  } catch (error) {
    trouble(error.message);
  } finally {
    event.target.disabled = false;
  }
});
$("fresh").addEventListener("click", () => {
  window.history.pushState(null, "", location.pathname + location.search);
  open();
  text.focus();
});
$("menu").addEventListener("click", () => {
  const shown = $("history").classList.toggle("open");
  $("menu").setAttribute("aria-expanded", String(shown));
});
$("share").addEventListener("click", async () => {
  try {
    const { link } = await ask("/auth/link", { body: { id: conversation.latest.task.id } });
    await navigator.clipboard.writeText(new URL(link, location.href).href);
    $("told").textContent = "The link is copied. It opens this request on another device, for ten minutes.";
  } catch (error) {
    trouble(error.message);
  }
});
const stick = new ResizeObserver(() => {
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
});
stick.observe(scroller);
stick.observe($("conversation"));
scroller.addEventListener("scroll", () => {
  atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
});
addEventListener("hashchange", open);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  document.title = "Customer service";
  history.refresh();
});

/** Without authentication the page may stand for any of the demo customers. */
function customers() {
  const select = $("customer").querySelector("select");
  select.replaceChildren(...who.customers.map(({ subject, name }) => h("option", { value: subject }, name)));
  select.value = session.customer || who.customers[0].subject;
  $("customer").hidden = false;
  select.addEventListener("change", () => {
    session.customer = select.value === who.customers[0].subject ? "" : select.value;
    window.history.replaceState(null, "", location.pathname + location.search);
    location.reload();
  });
}

async function suggestions() {
  const card = await ask("/.well-known/agent-card.json");
  const examples = (card.skills ?? []).flatMap((skill) => skill.examples ?? []).slice(0, 6);
  const buttons = examples.map((example) => h("li", {}, h("button", { type: "button", onclick: () => submit(example) }, example)));
  $("suggestions").replaceChildren(...buttons);
}

/** An embedding page hands its customer's token over; see embed.js. */
function tokenFromOutside() {
  return new Promise((resolve) => {
    addEventListener("message", ({ source, data }) => {
      if (source !== parent || data?.kind !== "a2a-chat-token") return;
      if (typeof data.token === "string" && data.token) session.credential = data.token;
      resolve();
    });
    parent.postMessage({ kind: "a2a-chat-ready" }, "*");
    setTimeout(resolve, 1000);
  });
}

$("staff").hidden = who.authentication || embedded; // on one's own machine one is everybody
if (who.customers?.length > 1) customers();
suggestions().catch(() => {}); // examples are a help, nothing more
await open();
if (!matchMedia("(pointer: coarse)").matches) text.focus();
$("send").disabled = false; // until now a browser would have sent the form itself
document.documentElement.dataset.ready = "true";
