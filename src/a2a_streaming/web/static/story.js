// What a task's events tell, as people read it: turns with what was said, the steps that were taken, and what came out.
//
// Pure: events go in, in order, and what is to be shown stands in `turns`. Pages show it, the operations page also
// at any position of the log.

import { apply, isTerminal, label, waits } from "./fold.js";

const ENDINGS = {
  failed: "This didn't work out.",
  canceled: "Canceled.",
  rejected: "This was declined.",
};

/** One task's story. */
export class Story {
  /** The task, folded. */
  task = null;
  /** The position up to which it is told. */
  position = null;
  /** How many events it was made of. */
  count = 0;
  /** Turns: `{id, said, steps: [{text, name, agent, at, until, state}], items: [...]}`, each with a `version`. */
  turns = [];
  /** What was understood: the latest `intent` artifact's data. */
  intent = null;
  /** Why it began anew, if it did. */
  resetBy = null;

  /** The task's state, by its label. */
  get state() {
    return label(this.task?.status?.state);
  }

  get ended() {
    return isTerminal(this.state);
  }

  /** Whether it waits for the customer. */
  get waiting() {
    return waits(this.state);
  }

  /** Whether people see to it. */
  get handedOver() {
    return this.task?.metadata?.handover?.open === true;
  }

  /** The person who sees to it now, `{name}`; null if nobody does. */
  get human() {
    const told = this.task?.metadata?.handover;
    return told?.open && told.state === "claimed" ? (told.human ?? null) : null;
  }

  /** The form that waits to be filled in, a data part's content; null if none does. */
  get form() {
    if (!this.waiting || this.handedOver) return null;
    return formOf(this.task.status.message);
  }

  /** Take a message of the stream: an `event` or a `reset`. */
  take(message) {
    this.position = message.position ?? this.position;
    if (message.kind === "reset") this.#reset(message.body);
    else if (message.kind === "event") this.#event(message.body);
  }

  #event(event) {
    this.count += 1;
    this.task = apply(this.task, event);
    if (event.task) this.#begin(event.task);
    else if (event.statusUpdate) this.#status(event.statusUpdate);
    else if (event.artifactUpdate) this.#artifact(event.artifactUpdate);
    else if (event.message) this.#say(event.message, undefined, "agent");
  }

  /** A task event: the story's beginning, or what a later attempt begins with, which drops half artifacts. */
  #begin(task) {
    if (this.turns.length) {
      const kept = new Set((task.artifacts ?? []).map((artifact) => artifact.artifactId));
      for (const turn of this.turns) {
        const items = turn.items.filter((item) => item.kind !== "artifact" || kept.has(item.id));
        if (items.length !== turn.items.length) touch(turn, () => (turn.items = items));
      }
      return;
    }
    for (const message of task.history ?? []) this.#heard(message, task.status.timestamp);
  }

  #status(update) {
    const { status, metadata = {} } = update;
    const state = label(status.state);
    const message = status.message;
    const at = status.timestamp;
    if (message?.role === "ROLE_USER") {
      this.#heard(message, at);
      return;
    }
    const turn = this.#turn();
    const person = metadata.human?.name;
    if (state === "working" && message && !person) {
      touch(turn, () => {
        finish(turn, at);
        turn.steps.push({ text: stepOf(message, metadata), name: metadata.step ?? "", agent: metadata.agent ?? "", at, state: "active" });
      });
      return;
    }
    touch(turn, () => finish(turn, at, state === "failed" ? "failed" : "done"));
    if (message && (textOf(message) || message.parts?.length)) this.#say(message, at, person ? "human" : "agent", person);
    else if (ENDINGS[state]) touch(turn, () => turn.items.push({ kind: "note", id: `${state}-${at}`, text: ENDINGS[state] }));
    turn.ending = isTerminal(state) || waits(state) ? state : turn.ending;
  }

  #heard(message, at) {
    // What people do at the desk comes as a message that carries data alone: the status tells it.
    if (message.parts?.length && message.parts.every((part) => part.data?.handover)) return;
    const last = this.turns.at(-1);
    if (last) finish(last, at);
    this.turns.push({ id: message.messageId, version: 1, said: message, at, steps: [], items: [], ending: null });
  }

  #say(message, at, who, name) {
    const turn = this.#turn();
    touch(turn, () => turn.items.push({ kind: "said", id: message.messageId, message, at, who, name }));
  }

  #artifact(update) {
    const folded = this.task.artifacts.findLast((one) => one.artifactId === update.artifact.artifactId);
    const turn = this.turns.findLast((one) => one.items.some((item) => item.id === folded.artifactId)) ?? this.#turn();
    touch(turn, () => {
      const item = turn.items.find((one) => one.id === folded.artifactId);
      const told = { kind: "artifact", id: folded.artifactId, artifact: folded, complete: update.lastChunk === true };
      if (item) Object.assign(item, told);
      else turn.items.push(told);
    });
    if (folded.name === "intent") this.intent = dataOf(folded.parts) ?? this.intent;
  }

  /** The task as it is now, in the place of a story that can't be continued. */
  #reset({ reason, task }) {
    this.resetBy = reason;
    this.count = 1;
    this.task = apply(null, { task });
    this.turns = [];
    const said = task.status.message;
    const messages = [...(task.history ?? []), ...(said ? [said] : [])];
    messages.forEach((message, place) => {
      const next = messages[place + 1];
      if (message.role === "ROLE_USER") this.#heard(message, undefined);
      // Of what an agent says in a turn the last is its answer, and what comes before it the way there.
      else if (next ? next.role !== "ROLE_USER" : this.state === "working") {
        touch(this.#turn(), (turn) => turn.steps.push({ text: textOf(message), name: "", agent: "", state: "done" }));
      } else this.#say(message, next ? undefined : task.status.timestamp, "agent");
    });
    for (const artifact of task.artifacts ?? []) {
      touch(this.#turn(), (turn) => turn.items.push({ kind: "artifact", id: artifact.artifactId, artifact, complete: true }));
      if (artifact.name === "intent") this.intent = dataOf(artifact.parts) ?? this.intent;
    }
    const last = this.turns.at(-1);
    if (last && this.state === "working" && last.steps.length) last.steps.at(-1).state = "active";
  }

  #turn() {
    if (!this.turns.length) {
      this.turns.push({ id: "first", version: 1, said: null, steps: [], items: [], ending: null });
    }
    return this.turns.at(-1);
  }
}

function touch(turn, change) {
  change(turn);
  turn.version += 1;
}

function finish(turn, at, state = "done") {
  const step = turn.steps.at(-1);
  if (step?.state !== "active") return;
  step.state = state;
  step.until = at;
  turn.version += 1;
}

/** A step in words: whom the task is given to, or what they do. */
function stepOf(message, { agent, step }) {
  return agent && !step ? `${agent.charAt(0).toUpperCase()}${agent.slice(1)} Agent` : textOf(message);
}

/** A message's text. */
export function textOf(message) {
  return (message?.parts ?? []).map((part) => part.text ?? "").join("");
}

/** The content of the first data part; undefined without one. */
export function dataOf(parts) {
  return (parts ?? []).find((part) => part.data !== undefined)?.data;
}

/** The form that a message asks to be filled in: `{question, form, choices?, …}`; null without one. */
export function formOf(message) {
  const data = dataOf(message?.parts);
  return data?.form ? data : null;
}
