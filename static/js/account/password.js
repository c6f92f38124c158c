/** What one signs in with. */

import { getMe } from "../api.js";
import { h } from "../dom.js";
import { changeEmail, changePassword } from "../people/api.js";
import { field, form, whose } from "../people/fields.js";
import { store } from "../store.js";
import { placeOf } from "../views/door.js";
import { about } from "./pieces.js";

function passwordForm() {
  const current = field({ name: "current", label: "Password now", type: "password", autocomplete: "current-password", missing: "Type the password that you have now." });
  const next = field({ name: "new", label: "New password", type: "password", autocomplete: "new-password", missing: "Choose a new password.", hint: "At least 8 characters; long is better than complicated." });
  const { element } = form({
    testid: "change-password",
    fields: [current, next],
    submit: "Change the password",
    extra: [whose(store.me?.name ?? "")],
    place: (code) => (code === "wrong-password" ? "current" : code === "weak-password" ? "new" : ""),
    async send() {
      await changePassword(current.value, next.value);
      for (const one of [current, next]) one.input.value = "";
      return "Changed. Other browsers have been signed out.";
    },
  });
  return element;
}

function emailForm() {
  const email = field({ name: "email", label: "Address", type: "email", inputMode: "email", autocomplete: "email", value: store.me?.email ?? "", hint: "To sign in with. Nobody else sees it. Leave it empty to have none.", most: 254 });
  const password = field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", missing: "Type your password, to show that it is you." });
  const { element } = form({
    testid: "change-email",
    fields: [email, password],
    submit: "Change the e-mail",
    extra: [whose(store.me?.name ?? "")],
    place: (code, text) => (code === "wrong-password" ? "password" : placeOf(code, text)),
    async send() {
      await changeEmail(password.value, email.value || null);
      store.become(await getMe());
      password.input.value = "";
      return "Changed.";
    },
  });
  return element;
}

export function passwordSection() {
  return h("div", null, about("Changing the password signs out all other browsers."), passwordForm(), h("h3", null, "E-mail"), emailForm());
}
