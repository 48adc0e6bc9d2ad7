// What operators do with a task.

import { ask, freshId } from "/web/api.js";

const QUESTIONS = {
  retry: "Stop what works on this task, and begin its turn anew?",
  cancel: "Cancel this task?",
  escalate: "Hand this task over to a person?",
};

/**
 * Do something with a task, once whoever looks at it has agreed.
 * @param {"retry" | "cancel" | "escalate"} does what
 * @param {string} task its id
 * @returns {Promise<boolean>} whether it was done
 */
export async function intervene(does, task) {
  if (!confirm(QUESTIONS[does])) return false;
  await ask(`/ops/api/tasks/${encodeURIComponent(task)}/${does}`, { body: { reason: "by an operator" }, key: freshId() });
  return true;
}
