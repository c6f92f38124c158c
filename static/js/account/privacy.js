/** Who may hear what is new, and who sees nothing at all. */

import { h } from "../dom.js";
import { getBlocks } from "../people/api.js";
import { bondButtons } from "../people/bonds.js";
import { personRow } from "../people/faces.js";
import { ACCESS_WORDS, accessRadios } from "../people/accesswords.js";
import { preferred } from "../store.js";
import { about, asked, prefer, savedTick } from "./pieces.js";

export function privacySection() {
  const tick = savedTick();
  // Selected people and groups are chosen for one thing at a time.
  const radios = accessRadios("default-access", ["private", "friends", "link", "public"], (access) => {
    radios.set(access);
    say();
    void prefer({ access }, () => tick.show());
  });
  const text = h("p", { class: "sub" });
  const say = () => (text.textContent = ACCESS_WORDS[preferred().access ?? "friends"].about);
  radios.set(preferred().access ?? "friends");
  say();
  const blocks = asked(getBlocks, (person, again) => personRow({ ...person, relation: "blocked", presence: null }, `@${person.name}`, ...bondButtons({ ...person, relation: "blocked" }, () => void again())), "Nobody.");
  return h("div", null, about("What your channel, streams and recordings begin with. For each of them you can choose anew, in the studio and on the page of a recording."), radios.element, h("div", { class: "row gap after" }, text, tick.element), h("h3", null, "Blocked"), about("Neither of you sees the other: no streams, no recordings, no requests."), blocks.element);
}
