// A task's steps over time, across the agents that worked for it. Pure, but for `draw`.

import { h } from "/web/dom.js";
import { isTerminal, label, waits } from "/web/fold.js";
import { heading, lasting } from "/web/format.js";
import { textOf } from "/web/story.js";

/**
 * Read the spans of one task's log.
 * @param {{position: string, at: number, event: object}[]} log its events
 * @returns {{name: string, kind: string, from: number, to: number | null}[]} `to` is null for what goes on
 */
export function spans(log) {
  const found = [];
  let open = null;
  let epoch = null;
  const close = (at) => {
    if (open) open.to = at;
    open = null;
  };
  for (const { position, at, event } of log) {
    const [written] = position.split("-");
    if (event.task) continue;
    if (epoch !== null && written !== epoch && !event.statusUpdate?.status.message?.role?.endsWith("USER") && open && open.kind === "step") {
      close(at);
      found.push({ name: "Taken over by another attempt", kind: "attempt", from: at, to: at });
    }
    epoch = written;
    if (event.statusUpdate) {
      const { status } = event.statusUpdate;
      const state = label(status.state);
      close(at);
      if (isTerminal(state)) found.push({ name: state, kind: state === "completed" ? "end" : "failed", from: at, to: at });
      else {
        const said = status.message?.role === "ROLE_USER" ? `Customer: ${textOf(status.message)}` : textOf(status.message);
        open = { name: waits(state) ? "Waits for the customer" : said || state, kind: waits(state) ? "waiting" : "step", from: at, to: null };
        found.push(open);
      }
    } else if (event.artifactUpdate) {
      const { artifact, append, lastChunk } = event.artifactUpdate;
      const name = `Artifact ${artifact.name ?? artifact.artifactId}`;
      const known = append ? found.findLast((one) => one.name === name) : undefined;
      if (known) known.to = at;
      else found.push({ name, kind: "artifact", from: at, to: lastChunk ? at : at });
    }
  }
  return found;
}

const MOST_ROWS = 150; // of a task's: the latest

/**
 * Draw the spans of some tasks, one below the other, on one time axis.
 * @param {{agent: string, log: object[]}[]} tasks the task, and those that worked for it
 */
export function draw(tasks) {
  const parts = tasks.filter(({ log }) => log.length).map(({ agent, log }) => ({ agent, log, all: spans(log) }));
  if (!parts.length) return h("p.empty", {}, "Its history has expired.");
  // One by one: a long log has more events than a call may have arguments.
  const over = (choose, first) => parts.reduce((told, { log }) => log.reduce((one, { at }) => choose(one, at), told), first);
  const from = over(Math.min, Infinity);
  const open = parts.some(({ all }) => all.some((one) => one.to === null && one.kind === "step"));
  const to = over(Math.max, Math.max(from + 1, open ? Date.now() : 0));
  const share = (at) => ((at - from) / (to - from)) * 100;
  const row = (name, kind, begin, end, group) => {
    const bar = h("span.span", { dataset: { kind } });
    bar.style.left = `${share(begin)}%`;
    bar.style.width = `${share(end) - share(begin)}%`;
    return h(group ? "div.row.group" : "div.row", { role: "listitem" }, h("span.name", { title: name }, name), h("span.track", {}, bar), h("span.took", {}, end > begin ? lasting(end - begin) : ""));
  };
  return h(
    "div.waterfall",
    { role: "list", "aria-label": `Steps over ${lasting(to - from)}` },
    parts.flatMap(({ agent, log, all }) => {
      const own = all.slice(-MOST_ROWS);
      const more = all.length - own.length;
      const end = all.some((one) => one.to === null) ? to : log.at(-1).at;
      return [
        row(`${heading(agent)} agent`, "group", log[0].at, end, true),
        ...(more ? [row(`${more} earlier steps`, "earlier", log[0].at, own[0].from, false)] : []),
        ...own.map((one) => row(one.name, one.kind, one.from, one.to ?? to, false)),
      ];
    }),
  );
}
