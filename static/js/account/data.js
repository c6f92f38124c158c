/** Everything of one's own: to take away, or to delete. */

import { h, icon } from "../dom.js";
import { deleteAccount } from "../people/api.js";
import { enter } from "../people/door.js";
import { field, form, whose } from "../people/fields.js";
import { store } from "../store.js";
import { about } from "./pieces.js";

export function dataSection() {
  const load = h("a", { class: "btn", href: "/api/v1/account/export", download: "", data: { testid: "export" } }, icon("download", 20), "Download everything");
  const password = field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", missing: "Type your password, to show that it is you." });
  const { element } = form({
    testid: "delete-account",
    fields: [password],
    submit: "Delete my account for good",
    quiet: true,
    extra: [whose(store.me?.name ?? "")],
    place: (code) => (code === "wrong-password" ? "password" : ""),
    async send() {
      await deleteAccount(password.value);
      enter("/sign-in");
    },
  });
  const sure = h("details", { class: "more danger" }, h("summary", { data: { testid: "delete-open" } }, "Delete the account"), about("Your recordings, captions, friends, groups and settings are deleted with it, at once and for good. Download them first if you want to keep them."), element);
  return h("div", null, about("Profile, friends, recordings with their transcripts, and settings, as one zip file."), h("div", { class: "row" }, load), h("h3", null, "Leaving"), sure);
}
