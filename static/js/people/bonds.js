/** What one can do about another person: ask, answer, let go, block. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { menu } from "../menu.js";
import { toast } from "../toast.js";
import { acceptFriend, askFriend, block, cancelRequest, declineFriend, unblock, unfriend } from "./api.js";
import { friends } from "./friends.js";
import { later } from "./undo.js";

/** @typedef {import("../types.js").Person} Person */

/** @param {() => Promise<unknown>} deed @param {() => void} done */
async function attempt(deed, done) {
  try {
    await deed();
  } catch (error) {
    toast(words(error));
  }
  done();
}

/** @param {Person} person @param {() => void} done */
function letGo(person, done) {
  friends.leaving.add(person.id);
  friends.changed();
  done();
  const back = () => {
    friends.leaving.delete(person.id);
    friends.changed();
    done();
  };
  const end = async (/** @type {boolean} */ leaving) => {
    await unfriend(person.id, leaving);
    friends.leaving.delete(person.id);
    friends.remove(person.id);
    done();
  };
  void later(`${person.display_name} is not your friend any more.`, end, back);
}

/** @param {Person} person @param {() => void} done */
async function shutOut(person, done) {
  const blocked = async () => {
    await block(person.id);
    friends.remove(person.id);
    const undo = () => void attempt(() => unblock(person.id), done);
    toast(`${person.display_name} is blocked: neither of you sees the other. A friendship between you is over.`, { label: "Unblock", act: undo });
  };
  await attempt(blocked, done);
}

/** @param {string} testid @param {string} label @param {string} picture @param {() => void} click @param {string} [look] */
function act(testid, label, picture, click, look = "btn") {
  return h("button", { type: "button", class: look, data: { testid }, on: { click } }, icon(picture, 20), h("span", null, label));
}

/**
 * The buttons for one person, as one stands to them.
 * @param {Person} person
 * @param {() => void} done draws them anew
 * @returns {HTMLElement[]}
 */
export function bondButtons(person, done) {
  const { id, relation } = person;
  const name = person.display_name;
  const settle = (/** @type {Promise<any>} */ sent) => sent.then(() => friends.settled(id));
  if (relation === "self") return [];
  if (relation === "blocked") return [act("unblock", "Unblock", "people", () => void attempt(() => unblock(id), done))];
  const more = moreMenu(person, done);
  if (relation === "friend") return [more];
  if (relation === "requested") return [act("cancel-request", "Take back", "close", () => void attempt(() => settle(cancelRequest(id)), done)), more];
  if (relation === "asks") {
    const accepted = () => attempt(() => acceptFriend(id).then(() => friends.add({ ...person, relation: "friend" })), done);
    const declined = () => attempt(() => settle(declineFriend(id)), done);
    const [yes, no] = [act("accept", "Accept", "tick", () => void accepted(), "btn first"), act("decline", "Decline", "close", () => void declined())];
    yes.setAttribute("aria-label", `Accept ${name}`);
    no.setAttribute("aria-label", `Decline ${name}`);
    return [yes, no, more];
  }
  const ask = act("ask", "Ask to be friends", "addPerson", () => void attempt(() => askFriend(id).then(() => friends.asked(person)), done));
  ask.setAttribute("aria-label", `Ask ${name} to be friends`);
  return [ask, more];
}

/** @param {Person} person @param {() => void} done */
function moreMenu(person, done) {
  const opener = h("button", { type: "button", class: "btn icon quiet", "aria-label": `More about ${person.display_name}`, data: { testid: "person-more" } }, icon("more", 20));
  const items = [];
  if (person.relation === "friend") items.push(act("unfriend", "End the friendship", "close", () => letGo(person, done), "item"));
  items.push(act("block", "Block", "ban", () => void shutOut(person, done), "item"));
  const { element, close } = menu(opener, `About ${person.display_name}`, ...items);
  for (const one of items) one.addEventListener("click", close);
  return element;
}
