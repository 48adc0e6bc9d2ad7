// What the stream is opened with: a ticket for what it follows, so that whoever holds it never has the key or token.

import { ask, session } from "./api.js";

/**
 * Return what gives a page's stream what it is opened with.
 * @param {{authentication: boolean}} who what `whoAmI` has told
 * @returns {(asked: {tasks: string[], topics: string[]}) => Promise<{headers?: object, ticket?: string} | null>}
 */
export function provider(who) {
  // As whoever it is now: another customer has another stream.
  const headers = session.headers();
  if (!who.authentication) return async () => ({ headers });
  return async (asked) => {
    if (!session.credential) return null;
    try {
      const { ticket } = await ask("/auth/ticket", { body: asked });
      return { ticket };
    } catch (error) {
      if (error.status === 401) return null;
      throw error;
    }
  };
}
