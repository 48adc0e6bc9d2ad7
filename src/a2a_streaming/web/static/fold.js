// The fold of a task's log into the task: the same as the server's (`a2a_streaming.task.apply`).

const TERMINAL = new Set(["completed", "failed", "canceled", "rejected"]);
const INTERRUPTED = new Set(["input-required", "auth-required"]);

/** The key in metadata that is the server's own. */
const INTERNAL = "a2a_streaming";

/** A state as people write it: `TASK_STATE_INPUT_REQUIRED` is `input-required`. */
export function label(state) {
  return (state ?? "").replace("TASK_STATE_", "").toLowerCase().replaceAll("_", "-");
}

/** Whether nothing follows on a state, given by its label. */
export function isTerminal(state) {
  return TERMINAL.has(state);
}

/** Whether a task in a state, given by its label, waits for its customer. */
export function waits(state) {
  return INTERRUPTED.has(state);
}

/**
 * Fold an event into a task.
 * @param {object | null} task the task so far, an A2A 1.0 Task, which stays as it is; null before the first event
 * @param {object} event a StreamResponse: one of `task`, `statusUpdate`, `artifactUpdate`, `message`
 * @returns {object} the task after it
 */
export function apply(task, event) {
  if (event.task) return { ...event.task, ...metadata({}, event.task.metadata) };
  if (event.statusUpdate) return applyStatus(task, event.statusUpdate);
  if (event.artifactUpdate) return applyArtifact(task, event.artifactUpdate);
  return { ...said(task), status: { state: "TASK_STATE_COMPLETED", message: event.message } };
}

function said(task) {
  const before = task.status?.message;
  return before ? { ...task, history: [...(task.history ?? []), before] } : { ...task };
}

function metadata(before, more) {
  const merged = { ...before, ...more };
  delete merged[INTERNAL];
  return Object.keys(merged).length ? { metadata: merged } : { metadata: undefined };
}

function applyStatus(task, update) {
  return { ...said(task), status: update.status, ...metadata(task.metadata, update.metadata) };
}

function applyArtifact(task, update) {
  const artifacts = [...(task.artifacts ?? [])];
  const fresh = update.artifact;
  const place = artifacts.findLastIndex((artifact) => artifact.artifactId === fresh.artifactId);
  if (place < 0) {
    artifacts.push(fresh);
  } else if (update.append) {
    const before = artifacts[place];
    artifacts[place] = {
      ...before,
      parts: [...(before.parts ?? []), ...(fresh.parts ?? [])],
      ...(fresh.metadata ? { metadata: { ...before.metadata, ...fresh.metadata } } : {}),
    };
  } else {
    artifacts[place] = fresh;
  }
  return { ...task, artifacts };
}
