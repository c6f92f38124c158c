/** Who may hear something, in words, and the row of choices. */

import { h } from "../dom.js";

/** @typedef {import("../types.js").Access} Access */

/** @type {Record<Access, { name: string, about: string, heard: string }>} */
export const ACCESS_WORDS = {
  friends: { name: "Friends", about: "All your friends.", heard: "Friends can hear you" },
  group: { name: "Groups", about: "Everybody in the groups that you choose.", heard: "A group can hear you" },
  selected: { name: "Some people", about: "The friends that you choose, and nobody else.", heard: "Some people can hear you" },
  link: { name: "With link", about: "Your friends, and whoever has the link.", heard: "Whoever has the link can hear you" },
  public: { name: "Everybody", about: "Everybody who reaches this server, signed in or not.", heard: "Everybody can hear you" },
  private: { name: "Only me", about: "Nobody but you.", heard: "Only you can hear this" },
};

/**
 * @param {string} testid
 * @param {Access[]} choices
 * @param {(access: Access) => void} change
 */
export function accessRadios(testid, choices, change) {
  const inputs = choices.map((access) => {
    const input = h("input", { type: "radio", name: testid, value: access, data: { testid: `${testid}-${access}` } });
    input.addEventListener("change", () => change(access));
    return { access, input, element: h("label", null, input, h("span", null, ACCESS_WORDS[access].name)) };
  });
  const element = h("div", { class: "seg", role: "radiogroup", "aria-label": "Who may hear", data: { testid } }, inputs.map((one) => one.element));
  return {
    element,
    /** @param {Access} access */
    set(access) {
      for (const one of inputs) one.input.checked = one.access === access;
    },
    /** @param {boolean} off */
    disable(off) {
      for (const one of inputs) one.input.disabled = off;
    },
  };
}
