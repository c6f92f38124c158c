/** Times, sizes and counts as people write them. */

const DAY = 86_400_000;

/** @param {number} seconds @returns {string} "0:07", "12:47", "1:04:51" */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/**
 * The same for ears: "12 minutes 47 seconds".
 * @param {number} seconds
 */
export function spokenTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  const rest = count(whole % 60, "second");
  return minutes ? `${count(minutes, "minute")} ${rest}` : rest;
}

/** @param {number} n @param {string} noun */
export function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** @returns {boolean} whether the page was opened on the server's own machine, by an address that only works there */
export function here() {
  return ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
}

/** @param {number} n */
export function listening(n) {
  return n === 0 ? "Nobody is listening yet" : `${n} listening`;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** @param {Date} date */
function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/**
 * @param {string} iso
 * @param {Date} [now]
 * @returns {string} "just now", "14 minutes ago", "today, 09:12", "yesterday", "Sunday", "12 June"
 */
export function relative(iso, now = new Date()) {
  const date = new Date(iso);
  const age = now.getTime() - date.getTime();
  if (age < 60_000) return "just now";
  if (age < 3_600_000) return `${count(Math.floor(age / 60_000), "minute")} ago`;
  const days = Math.round((midnight(now) - midnight(date)) / DAY);
  if (days === 0) return `today, ${date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
  if (days === 1) return "yesterday";
  if (days < 7) return date.toLocaleDateString("en", { weekday: "long" });
  const thisYear = date.getFullYear() === now.getFullYear();
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "long", ...(thisYear ? {} : { year: "numeric" }) });
}

/** @param {string} iso */
export function exact(iso) {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "short" });
}

/** @param {string} name @returns {string} the letter in an avatar */
export function initial(name) {
  const letters = Array.from(name.trim());
  return (letters[0] ?? "?").toLocaleUpperCase();
}

/** @param {string} name @returns {number} 1 to 6, the same for the same name */
export function tint(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
  return (sum % 6) + 1;
}
