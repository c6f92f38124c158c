/** Keys for programs: what each may do, shown once, renewed or taken back. */

import { words } from "../api.js";
import { h } from "../dom.js";
import { exact, relative } from "../format.js";
import { addKey, getKeys, revokeKey, rotateKey } from "../people/api.js";
import { field, form } from "../people/fields.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { about, asked, copyLine } from "./pieces.js";

/** @typedef {import("../people/api.js").Key} Key */

/** @type {Record<string, string>} */
const SCOPES = { read: "See what you see", listen: "Listen", publish: "Go live", write: "Change what is yours", administer: "Administer, and read the metrics" };
const ONCE = "The key. It is shown only now: keep it where others do not see it.";

/** @param {string} testid @param {string} label @param {() => Promise<unknown>} act */
function button(testid, label, act) {
  const one = h("button", { type: "button", class: "btn", data: { testid } }, label);
  one.addEventListener("click", () => void act().catch((error) => toast(words(error))));
  return one;
}

/** @param {Key} key @param {(key: Key) => void} shown @param {() => Promise<void>} again */
function row(key, shown, again) {
  const used = key.used_at ? h("time", { dateTime: key.used_at, title: exact(key.used_at) }, `used ${relative(key.used_at)}`) : "not used yet";
  const until = key.expires_at ? ` · until ${new Date(key.expires_at).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" })}` : "";
  const sub = h("span", { class: "sub" }, key.hint ? `${key.hint}… · ` : "", key.scopes.map((scope) => SCOPES[scope] ?? scope).join(", "), " · ", used, until);
  const renew = button("rotate-key", "Renew", () => rotateKey(key.id).then(shown).then(again));
  const revoke = button("revoke-key", "Delete", () => revokeKey(key.id).then(again));
  renew.setAttribute("aria-label", `Renew the key ${key.name}`);
  revoke.setAttribute("aria-label", `Delete the key ${key.name}`);
  return h("li", { class: "keyrow", data: { testid: "key" } }, h("div", { class: "txts" }, h("b", { dir: "auto" }, key.name), sub), h("div", { class: "row gap" }, renew, revoke));
}

function scopeChoice() {
  const scopes = Object.entries(SCOPES).filter(([scope]) => scope !== "administer" || store.me?.administrator);
  const boxes = scopes.map(([scope, label]) => ({ scope, label, box: h("input", { type: "checkbox", checked: scope === "read", data: { testid: `scope-${scope}` } }) }));
  const element = h("fieldset", { class: "boxes" }, h("legend", null, "What it may do"), boxes.map(({ box, label }) => h("label", null, box, h("span", null, label))));
  return { element, value: () => boxes.filter(({ box }) => box.checked).map(({ scope }) => scope) };
}

export function keysSection() {
  const fresh = h("div", { class: "fresh-secret" });
  const shown = (/** @type {Key} */ { key }) => fresh.replaceChildren(...(key ? [copyLine(ONCE, key, "new-key", "Key copied.")] : []));
  const list = asked(getKeys, (key, again) => row(key, shown, again), "You have no keys.");
  const name = field({ name: "name", label: "What it is for", missing: "Type what the key is for.", most: 80 });
  const scopes = scopeChoice();
  const days = h("select", { id: "key-days", data: { testid: "key-days" } }, h("option", { value: "30" }, "30 days"), h("option", { value: "365", selected: true }, "A year"), h("option", { value: "" }, "Until deleted"));
  const until = h("div", { class: "line" }, h("label", { htmlFor: "key-days" }, "Works for"), h("span", { class: "select" }, days));
  const { element } = form({
    testid: "new-key",
    fields: [name],
    submit: "Make a key",
    extra: [scopes.element, until],
    async send() {
      shown(await addKey(name.value, scopes.value(), days.value ? Number(days.value) : null));
      name.input.value = "";
      await list.load();
    },
  });
  return h("div", null, about("For programs of your own, and for the command line, as CLEARCAST_TOKEN. Whoever has a key may do with it what you chose, as you."), list.element, h("h3", null, "A new key"), element, fresh);
}
