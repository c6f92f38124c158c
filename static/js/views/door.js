/** Signing in, joining, and the first account of a server. */

import { ApiError } from "../api.js";
import { h, icon } from "../dom.js";
import { register, registerFirst, signIn } from "../people/api.js";
import { enter, nextPath } from "../people/door.js";
import { field, form } from "../people/fields.js";
import { store } from "../store.js";

/** @typedef {import("../types.js").View} View */

const PASSWORD_HINT = "At least 8 characters. Several words in a row are easy to keep in mind and hard to guess.";
/** @type {Record<string, string>} which field an error belongs to, by its code */
const PLACES = { "invalid-name": "name", "name-taken": "name", "invalid-email": "email", "email-taken": "email", "weak-password": "password", "first-token": "token" };

/** @param {string} code @param {string} text @returns {string} */
export function placeOf(code, text) {
  return text.startsWith("The name that others see") ? "display_name" : (PLACES[code] ?? "");
}

/** @param {string} title @param {string} lead @param {...(HTMLElement | null)} rest @returns {View} */
function door(title, lead, ...rest) {
  const intro = lead ? h("p", { class: "sub intro" }, lead) : null;
  return { element: h("div", { class: "col door" }, h("h1", null, title), intro, ...rest), title };
}

/** @param {string} path @param {string} text */
const link = (path, text) => h("a", { class: "txt", href: path }, text);

/** @returns {string} the query, so that one still gets to where one wanted */
const query = () => location.search;

/** @returns {View} */
export function signInView() {
  const name = field({ name: "name", label: "Name or e-mail", autocomplete: "username", missing: "Type the name that you signed up with.", most: 254 });
  const password = field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", missing: "Type your password." });
  const { element } = form({
    testid: "sign-in",
    fields: [name, password],
    submit: "Sign in",
    place: (code) => (code === "wrong-credentials" ? "password" : ""),
    async send() {
      await signIn(name.value, password.value);
      enter(nextPath("/live"));
    },
  });
  const join = store.auth.registration === "open" ? h("p", { class: "sub" }, "New here? ", link(`/register${query()}`, "Create an account")) : h("p", { class: "sub" }, "New here? Ask a friend who has an account for an invitation.");
  const forgotten = h("details", { class: "more" }, h("summary", null, "Forgotten your password?"), h("p", { class: "sub" }, "Ask whoever runs this server for a new one: it is made with ", h("code", null, "clearcast user reset-password"), "."));
  return door("Sign in", "", element, join, forgotten);
}

/** What everybody fills in who gets an account. */
function accountFields() {
  return [
    field({ name: "name", label: "Name to sign in with", autocomplete: "username", hint: "Friends find you by it. It stays.", missing: "Choose a name.", most: 40 }),
    field({ name: "display_name", label: "What people call you", autocomplete: "nickname", hint: "Shown beside your streams. You can change it at any time.", most: 80 }),
    field({ name: "email", label: "E-mail, if you like", type: "email", autocomplete: "email", inputMode: "email", hint: "To sign in with. Nobody else sees it and nothing is sent to it.", most: 254 }),
    field({ name: "password", label: "Password", type: "password", autocomplete: "new-password", hint: PASSWORD_HINT, missing: "Choose a password." }),
  ];
}

/** @param {import("../people/fields.js").Field[]} fields @returns {any} what was typed; what was not is left out */
function typed(fields) {
  return Object.fromEntries(fields.filter((one) => one.value).map((one) => [one.name, one.value]));
}

/** @returns {View} */
export function registerView() {
  const { registration } = store.auth;
  const invitation = new URLSearchParams(location.search).get("invitation") ?? "";
  const back = h("p", { class: "sub" }, "Have an account already? ", link("/sign-in", "Sign in"));
  if (!invitation && registration !== "open") {
    const why = registration === "closed" ? "Nobody can join this server by themselves. Whoever runs it can make an account for you." : "To join, open the invitation that a friend sends you: it is a link, and each one works once.";
    return door("You need an invitation", why, back);
  }
  const fields = accountFields();
  const { element } = form({
    testid: "register",
    fields,
    submit: "Create the account",
    place: placeOf,
    async send() {
      await register({ ...typed(fields), ...(invitation ? { invitation } : {}) });
      enter(nextPath("/live"));
    },
  });
  return door("Create an account", invitation ? "You are invited. Choose how you want to be known here." : "", element, back);
}

/** @returns {View} */
export function firstView() {
  const given = new URLSearchParams(location.search).get("token") ?? "";
  const fields = accountFields();
  const token = field({ name: "token", label: "Code from the terminal", value: given, hint: "Only needed on another machine than the server: it is the end of the link that the server printed when it started." });
  token.element.hidden = given !== "";
  const { element } = form({
    testid: "first",
    fields: [...fields, token],
    submit: "Create the first account",
    place: placeOf,
    async send() {
      await registerFirst(typed([...fields, token]));
      enter("/live");
    },
  });
  const lead = "This server is new. The first account is its administrator: it can invite others and look after the server. What was broadcast and recorded here so far becomes its own.";
  return door("Welcome to Clearcast", lead, element);
}

/**
 * Where there are accounts, what is not there and what is not for this person answer alike.
 * @param {"channel" | "recording"} what
 * @param {unknown} error
 * @returns {View | null} null: something else is the matter
 */
export function shutView(what, error) {
  if (!store.auth.accounts || !(error instanceof ApiError)) return null;
  if (error.status === 401) return signInFirst(`this ${what}`);
  return error.status === 404 ? noAccess(what) : null;
}

/**
 * For whoever has not signed in and wants to hear something that may not be there, or not be for them.
 * @param {string} what "this channel", say
 * @returns {View}
 */
function signInFirst(what) {
  const path = location.pathname;
  const go = h("a", { class: "btn first", href: `/sign-in?next=${encodeURIComponent(path)}`, data: { testid: "to-sign-in" } }, icon("lock", 20), "Sign in to hear this");
  const join = store.auth.registration === "open" ? h("a", { class: "btn", href: `/register?next=${encodeURIComponent(path)}` }, "Create an account") : null;
  return door("Sign in to hear this", `Clearcast does not know who you are, and ${what} is not open to everybody. If it is for you, you hear it as soon as you have signed in.`, h("div", { class: "row gap" }, go, join));
}

/**
 * The same words for what is not there and for what is not for this person: nobody learns more than they may.
 * @param {string} what "channel" or "recording"
 * @returns {View}
 */
function noAccess(what) {
  const lead = `Either there is no such ${what}, or whoever it belongs to has not opened it to you. If somebody sent you the link, ask them to let you in.`;
  const friends = h("a", { class: "btn", href: "/friends" }, icon("people", 20), "Friends");
  return door("There is nothing here for you to hear", lead, h("div", { class: "row gap" }, h("a", { class: "btn first", href: "/live" }, icon("live", 20), "See who is live"), friends));
}
