/** Links with which friends get an account. */

import { words } from "../api.js";
import { h } from "../dom.js";
import { exact, relative } from "../format.js";
import { getInvitations, invite, revokeInvitation } from "../people/api.js";
import { field, form } from "../people/fields.js";
import { whole } from "../people/inviting.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { about, asked, copyLine } from "./pieces.js";

/** @param {import("../people/api.js").Invitation} invitation @param {() => Promise<void>} again */
function row(invitation, again) {
  const until = h("time", { dateTime: invitation.expires_at, title: exact(invitation.expires_at) }, new Date(invitation.expires_at).toLocaleDateString("en-GB", { day: "numeric", month: "long" }));
  const made = invitation.created_at ? `made ${relative(invitation.created_at)}, ` : "";
  const revoke = h("button", { type: "button", class: "btn", data: { testid: "revoke-invitation" } }, "Take back");
  revoke.addEventListener("click", async () => {
    await revokeInvitation(invitation.id).catch((error) => toast(words(error)));
    await again();
  });
  return h("li", { data: { testid: "invitation" } }, h("div", { class: "txts" }, h("b", { dir: "auto" }, invitation.note || "An invitation"), h("span", { class: "sub" }, made, "works until ", until)), revoke);
}

export function invitationsSection() {
  if (store.auth.registration === "closed") return h("div", null, about("This server takes nobody new by invitation. Whoever runs it makes accounts."));
  const list = asked(getInvitations, row, "No invitation is waiting to be used.");
  const fresh = h("div", { class: "fresh-secret" });
  const note = field({ name: "note", label: "For whom", hint: "A note for yourself, to know it again.", most: 80 });
  const { element } = form({
    testid: "new-invitation",
    fields: [note],
    submit: "Make an invitation",
    async send() {
      const { link } = await invite(note.value);
      note.input.value = "";
      fresh.replaceChildren(copyLine("Send this link to one friend. It is shown only now.", whole(link ?? ""), "invitation-link", "Invitation copied."));
      await list.load();
    },
  });
  return h("div", null, about("Each link makes one account, and works for some days. You become friends as usual: one of you asks."), element, fresh, h("h3", null, "Not used yet"), list.element);
}
