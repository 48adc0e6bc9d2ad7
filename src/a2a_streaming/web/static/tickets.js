// What the stream is opened with: a ticket, so that the worker that holds it never has the key or token itself.

import { ask } from "./api.js";

const EARLY = 0.8; // a new one is asked for when this much of its time is over
const AGAIN = 5000;

/**
 * Keep a stream supplied with what it is opened with.
 * @param {import("./stream.js").Stream} stream the page's stream
 * @param {object} session who asks
 * @param {{authentication: boolean}} who what `whoAmI` has told
 */
export function credentials(stream, session, who) {
  if (!who.authentication) {
    stream.credential({ headers: session.headers() });
    return;
  }
  let timer = null;
  const renew = async () => {
    clearTimeout(timer);
    try {
      const { ticket, expiresIn } = await ask("/auth/ticket", { body: { stream: true } });
      stream.credential({ ticket });
      timer = setTimeout(renew, expiresIn * 1000 * EARLY);
    } catch {
      timer = setTimeout(renew, AGAIN);
    }
  };
  stream.listen((state) => state.name === "signed-out" && renew());
  renew();
}
