// Calls of the platform: who signs in, JSON over HTTP, and A2A 1.0 by JSON-RPC.

const KEY = "a2a-credential";
const CUSTOMER = "a2a-customer";
const LONGEST = 8000;

/** A call that failed; its message is for people. */
export class CallError extends Error {
  /**
   * @param {string} message what to tell
   * @param {number} status the HTTP status, 0 without an answer
   * @param {number} code JSON-RPC's code, if it was such a call
   */
  constructor(message, status, code = 0) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Who uses the page, and how they ask. Kept for the tab: a key that is typed in once is gone with it. */
export const session = {
  get credential() {
    return sessionStorage.getItem(KEY) ?? "";
  },
  set credential(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  },
  /** Without authentication: the demo customer whom the page stands for. */
  get customer() {
    return sessionStorage.getItem(CUSTOMER) ?? "";
  },
  set customer(value) {
    if (value) sessionStorage.setItem(CUSTOMER, value);
    else sessionStorage.removeItem(CUSTOMER);
  },
  /** The headers that say who asks. */
  headers() {
    const headers = {};
    if (this.credential) headers.authorization = `Bearer ${this.credential}`;
    if (this.customer) headers["A2A-Demo-Customer"] = this.customer;
    return headers;
  },
  /** What tells this identity from others, without telling its credential. */
  async identity() {
    const text = new TextEncoder().encode(`${this.credential}\n${this.customer}`);
    if (!crypto.subtle) return String(text.length);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    return [...digest.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  },
};

/**
 * Ask for JSON.
 * @param {string} path where
 * @param {{method?: string, body?: object, key?: string}} options `key` makes a repeated call safe
 * @returns {Promise<any>} the answer
 * @throws {CallError} it was refused, or there is no answer
 */
export async function ask(path, { method, body, key, headers = {} } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key ? { "idempotency-key": key } : {}),
        ...session.headers(),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new CallError("The service can't be reached.", 0);
  }
  const told = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new CallError(told.error?.message ?? `The service answered ${response.status}.`, response.status);
  }
  return told;
}

/**
 * Call a method of A2A 1.0.
 * @param {string} method for example `SendMessage`
 * @param {object} params as the specification has them (section 9)
 * @param {string} agent the path of the agent; empty for the Intent Agent
 */
export async function call(method, params, { agent = "" } = {}) {
  const told = await ask(`${agent}/`, {
    body: { jsonrpc: "2.0", id: crypto.randomUUID?.() ?? "1", method, params },
    headers: { "A2A-Version": "1.0" },
  });
  if (told.error) throw new CallError(told.error.message, 200, told.error.code);
  return told.result;
}

/**
 * Do something again until it is answered: for what may be done twice without harm.
 * @param {() => Promise<any>} attempt what to do
 * @param {{waiting?: (error: CallError) => void}} options `waiting` is called before each further attempt
 * @throws {CallError} it was refused
 */
export async function persist(attempt, { waiting = () => {} } = {}) {
  for (let failures = 0; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      const passes = error instanceof CallError && (error.status === 0 || error.status === 429 || error.status >= 502);
      if (!passes) throw error;
      waiting(error);
      await pause(Math.min(LONGEST, 300 * 2 ** failures));
    }
  }
}

/** Wait, but no longer than until the network is back. */
function pause(ms) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    addEventListener("online", over);
  });
}

/** A fresh id for a message, or a key for a call. */
export function freshId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What the page can count on: whether people sign in, who is signed in, which demo customers there are. */
export function whoAmI() {
  return ask("/web/session");
}
