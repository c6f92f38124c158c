/** Who one is for others: name, picture, a few words. */

import { getMe, words } from "../api.js";
import { h, icon } from "../dom.js";
import { face } from "../people/faces.js";
import { changeProfile, removeAvatar, setAvatar } from "../people/api.js";
import { field, form } from "../people/fields.js";
import { store } from "../store.js";
import { toast } from "../toast.js";
import { placeOf } from "../views/door.js";

const MOST_BYTES = 2_000_000;

function picture() {
  const place = h("div", { class: "picture" });
  const file = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/gif", class: "aloud", id: "avatar-file", tabIndex: -1, "aria-hidden": "true", data: { testid: "avatar-file" } });
  const choose = h("button", { type: "button", class: "btn", data: { testid: "avatar-choose" }, on: { click: () => file.click() } }, icon("image", 20), "Choose a picture");
  const remove = h("button", { type: "button", class: "btn quiet", data: { testid: "avatar-remove" } }, "Remove it");
  const show = () => {
    const { me } = store;
    if (!me) return;
    place.replaceChildren(face(me, "", 80));
    remove.hidden = !me.avatar;
  };
  const settle = async (/** @type {Promise<any>} */ work) => {
    try {
      await work;
      store.become(await getMe());
    } catch (error) {
      toast(`The picture was not changed. ${words(error)}`);
    }
    show();
  };
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    file.value = "";
    if (!chosen) return;
    if (chosen.size > MOST_BYTES) return toast("That picture is too large. Choose one of at most 2 MB.");
    return void settle(setAvatar(chosen));
  });
  remove.addEventListener("click", () => void settle(removeAvatar()));
  show();
  return h("div", { class: "row gap picture-line" }, place, choose, remove, file);
}

export function profileSection() {
  const { me } = store;
  const name = field({ name: "display_name", label: "What people call you", value: me?.display_name ?? "", autocomplete: "nickname", missing: "Type a name.", most: 80 });
  const bio = field({ name: "bio", label: "A few words about you", value: me?.bio ?? "", lines: 4, most: 1000, hint: "On your page, for those who may see it." });
  const { element } = form({
    testid: "profile",
    fields: [name, bio],
    submit: "Save",
    place: placeOf,
    async send() {
      store.become(await changeProfile({ display_name: name.value, bio: bio.value }));
      return "Saved";
    },
  });
  const page = h("a", { class: "txt", href: `/people/${encodeURIComponent(me?.id ?? "")}` }, "See your page");
  return h("div", null, picture(), element, h("p", { class: "sub after" }, `You sign in as ${me?.name ?? ""}. Friends find you by it. `, page));
}
