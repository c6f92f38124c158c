/** Settings, in sections: each has an address of its own. */

import { h, icon } from "../dom.js";
import { leave } from "../people/ownmenu.js";
import { dataSection } from "../account/data.js";
import { defaultsSection } from "../account/defaults.js";
import { invitationsSection } from "../account/invitations.js";
import { keysSection } from "../account/keys.js";
import { noticesSection } from "../account/notices.js";
import { passwordSection } from "../account/password.js";
import { privacySection } from "../account/privacy.js";
import { profileSection } from "../account/profile.js";
import { sessionsSection } from "../account/sessions.js";
import { streamKeySection } from "../account/streamkey.js";
import { store } from "../store.js";
import { sectionsView } from "./sections.js";

/** @typedef {import("./sections.js").Section} Section */

/** @type {[Section, ...Section[]]} */
const SECTIONS = [
  { id: "profile", name: "Profile", about: "What people call you, your picture", make: profileSection },
  { id: "privacy", name: "Who may hear", about: "What new streams and recordings begin with", make: privacySection },
  { id: "live", name: "Going live", about: "Language, noise, captions, recording", make: defaultsSection },
  { id: "notices", name: "News", about: "What you are told, and where", make: noticesSection },
  { id: "stream-key", name: "OBS and others", about: "Address and key for other programs", make: streamKeySection },
  { id: "keys", name: "API keys", about: "For programs of your own", make: keysSection },
  { id: "sessions", name: "Signed in", about: "Browsers and devices", make: sessionsSection },
  { id: "password", name: "Password and e-mail", about: "What you sign in with", make: passwordSection },
  { id: "invitations", name: "Invitations", about: "For friends who are not here yet", make: invitationsSection },
  { id: "data", name: "Your data", about: "Take it with you, or delete it", make: dataSection },
];

function foot() {
  const admin = h("a", { class: "btn quiet", href: "/admin", hidden: !store.me?.administrator }, icon("key", 20), "Administration");
  const out = h("button", { type: "button", class: "btn quiet", data: { testid: "settings-sign-out" }, on: { click: () => void leave() } }, icon("door", 20), "Sign out");
  return [admin, out];
}

/** @param {string} id */
export const settingsView = (id) => sectionsView({ name: "Settings", path: "settings", list: SECTIONS, foot }, id);
