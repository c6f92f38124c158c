/** Everybody's accounts. */

import { words } from "../api.js";
import { h, icon, say } from "../dom.js";
import { relative } from "../format.js";
import { menu } from "../menu.js";
import { avatar } from "../parts.js";
import { store } from "../store.js";
import { copy, toast } from "../toast.js";
import { changeAccount, getAccounts, resetPassword } from "./api.js";
import { paged } from "./paged.js";

/** @typedef {import("./api.js").Account} Account */

/** @param {Account} account @returns {string} */
function about(account) {
  const parts = [account.name, account.email ?? "", `here since ${relative(account.created_at)}`];
  if (account.administrator) parts.push("administrator");
  if (account.disabled_at) parts.push("disabled");
  return parts.filter(Boolean).join(" · ");
}

/** @param {Account} first */
function row(first) {
  let account = first;
  const sub = h("span", { class: "sub", dir: "auto" });
  const name = h("b", { dir: "auto" }, account.display_name);
  const opener = h("button", { type: "button", class: "btn quiet icon", "aria-label": `What to do with the account of ${account.display_name}`, data: { testid: "account-menu" } }, icon("more"));
  const disable = h("button", { type: "button", class: "item", data: { testid: "account-disable" } });
  const promote = h("button", { type: "button", class: "item", data: { testid: "account-promote" } });
  const reset = h("button", { type: "button", class: "item", data: { testid: "account-reset" } }, "Give a new password");
  const box = menu(opener, "Account", disable, promote, reset);
  const show = () => {
    say(sub, about(account));
    say(disable, account.disabled_at ? "Let in again" : "Disable");
    say(promote, account.administrator ? "No administrator any more" : "Make an administrator");
    element.classList.toggle("off", account.disabled_at !== null);
  };
  const element = h("li", { class: "person", data: { testid: "account" } }, avatar(account.display_name, "", 40), h("div", { class: "txts" }, name, sub), box.element);
  /** @param {{ administrator: boolean } | { disabled: boolean }} change */
  const set = async (change) => {
    box.close();
    try {
      account = await changeAccount(account.id, change);
      show();
    } catch (error) {
      toast(words(error));
    }
  };
  disable.addEventListener("click", () => void set({ disabled: account.disabled_at === null }));
  promote.addEventListener("click", () => void set({ administrator: !account.administrator }));
  reset.addEventListener("click", async () => {
    box.close();
    try {
      const { password } = await resetPassword(account.id);
      toast(`New password of ${account.display_name}: ${password}`, { label: "Copy", act: () => void copy(password, "Copied.") }, 60_000);
    } catch (error) {
      toast(words(error));
    }
  });
  if (account.id === store.me?.id) disable.hidden = true;
  show();
  return element;
}

export function accountsSection() {
  const field = h("input", { type: "search", class: "field", placeholder: "Name or e-mail address", "aria-label": "Search accounts", data: { testid: "account-search" } });
  const list = paged({ load: (cursor) => getAccounts(field.value.trim(), cursor), row, none: "Nobody of that name.", testid: "accounts" });
  let timer = 0;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => void list.again(), 250);
  });
  void list.again();
  return h("div", null, h("div", { class: "find" }, field), list.element);
}
