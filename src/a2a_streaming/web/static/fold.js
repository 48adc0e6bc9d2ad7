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
 * @param {object | null} task the task so far, an A2A 1.0 Task, which is taken over; null before the first event
 * @param {object} event a StreamResponse: one of `task`, `statusUpdate`, `artifactUpdate`, `message`; it stays as it is
 * @returns {object} the task after it
 */
export function apply(task, event) {
  if (event.task) return copyTask(event.task);
  if (event.statusUpdate) return applyStatus(task, event.statusUpdate);
  if (event.artifactUpdate) return applyArtifact(task, event.artifactUpdate);
  keepSaid(task);
  task.status = { state: "TASK_STATE_COMPLETED", message: event.message };
  return task;
}

/** Copy as deep as later events change it. */
function copyTask(task) {
  const copy = { ...task };
  if (task.history) copy.history = [...task.history];
  if (task.artifacts) copy.artifacts = task.artifacts.map(copyArtifact);
  if (task.metadata) merge(copy, {}, task.metadata);
  return copy;
}

function copyArtifact(artifact) {
  return { ...artifact, parts: [...(artifact.parts ?? [])] };
}

function keepSaid(task) {
  if (task.status?.message) (task.history ??= []).push(task.status.message);
}

function merge(task, before, more) {
  const merged = { ...before, ...more };
  delete merged[INTERNAL];
  if (Object.keys(merged).length) task.metadata = merged;
  else delete task.metadata;
}

function applyStatus(task, update) {
  keepSaid(task);
  task.status = update.status;
  merge(task, task.metadata, update.metadata);
  return task;
}

function applyArtifact(task, update) {
  const fresh = update.artifact;
  task.artifacts ??= [];
  const place = task.artifacts.findLastIndex((artifact) => artifact.artifactId === fresh.artifactId);
  if (place < 0) {
    task.artifacts.push(copyArtifact(fresh));
  } else if (update.append) {
    const artifact = task.artifacts[place];
    artifact.parts.push(...(fresh.parts ?? []));
    if (fresh.metadata) artifact.metadata = { ...artifact.metadata, ...fresh.metadata };
  } else {
    task.artifacts[place] = copyArtifact(fresh);
  }
  return task;
}
