// Values as people read them.

const DAY = /^\d{4}-\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const language = () => navigator.language;

/** An amount in cents, with its currency. */
export function money(cents, currency = "EUR") {
  if (!/^[A-Za-z]{3}$/.test(currency)) return `${cents / 100} ${currency}`;
  return new Intl.NumberFormat(language(), { style: "currency", currency }).format(cents / 100);
}

/** A day or a time, ISO 8601. */
export function when(iso, options) {
  const date = DAY.test(iso) ? new Date(`${iso}T12:00`) : new Date(iso);
  if (Number.isNaN(date.getTime())) return String(iso);
  const style = DAY.test(iso) ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(language(), options ?? style).format(date);
}

/** A time, as short as it is clear: the hour of today, the day of another one. */
export function lately(iso) {
  const date = new Date(iso);
  return date.toDateString() === new Date().toDateString() ? clock(iso) : when(iso, { dateStyle: "medium" });
}

/** The time of day. */
export function clock(iso) {
  return when(iso, { hour: "2-digit", minute: "2-digit" });
}

/** How long something took or has lasted, of milliseconds. */
export function lasting(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** A number, shortened: 12.3 k. */
export function count(number) {
  return new Intl.NumberFormat(language(), { notation: "compact", maximumFractionDigits: 1 }).format(number);
}

/** A key of JSON as a heading: `openInvoices` is "Open invoices", and `totalCents` "Total". */
export function heading(key) {
  const words = String(key ?? "").replace(/Cents$/, "").replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll(/[_-]/g, " ").trim().toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A value of JSON in words, as its key suggests. */
export function value(key, content, currency) {
  if (content === null || content === undefined || content === "") return "–";
  if (typeof content === "boolean") return content ? "yes" : "no";
  if (typeof content === "number") return /Cents$/.test(key) ? money(content, currency) : String(content);
  if (typeof content === "string") return DAY.test(content) || TIME.test(content) ? when(content) : content;
  if (Array.isArray(content)) return content.every((one) => typeof one !== "object") ? content.join(", ") : String(content.length);
  return JSON.stringify(content);
}
