/** Where one is signed in. */

import { words } from "../api.js";
import { h, icon } from "../dom.js";
import { exact, relative } from "../format.js";
import { endOtherSessions, endSession, getSessions } from "../people/api.js";
import { leave } from "../people/ownmenu.js";
import { toast } from "../toast.js";
import { about, asked } from "./pieces.js";

/** @typedef {import("../people/api.js").Session} Session */

const BROWSERS = [/(Edg)\//, /(OPR)\//, /(Firefox)\//, /(Chrome)\//, /(Safari)\//];
const NAMES = /** @type {Record<string, string>} */ ({ Edg: "Edge", OPR: "Opera" });
const SYSTEMS = /(Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux)/;

/** @param {string} agent @returns {string} "Firefox on Linux"; the whole where nothing is recognised */
export function agentName(agent) {
  const browser = BROWSERS.map((one) => agent.match(one)?.[1]).find(Boolean);
  const system = agent.match(SYSTEMS)?.[1];
  if (!browser) return agent || "Unknown browser";
  return `${NAMES[browser] ?? browser}${system ? ` on ${system.replace(" OS X", "").replace("CrOS", "ChromeOS")}` : ""}`;
}

/** @param {Session} session @param {() => Promise<void>} again */
function row(session, again) {
  const seen = h("time", { dateTime: session.seen_at, title: exact(session.seen_at) }, relative(session.seen_at));
  const sub = h("span", { class: "sub" }, session.current ? "This browser" : "last seen ", session.current ? null : seen, " · ", session.address);
  const end = h("button", { type: "button", class: "btn", "aria-label": `Sign out ${agentName(session.agent)}`, data: { testid: "end-session" } }, "Sign out");
  end.addEventListener("click", async () => {
    if (session.current) return leave();
    await endSession(session.id).catch((error) => toast(words(error)));
    return again();
  });
  return h("li", { data: { testid: "session" } }, h("div", { class: "txts" }, h("b", { title: session.agent }, agentName(session.agent)), sub), end);
}

export function sessionsSection() {
  const list = asked(getSessions, row, "");
  const others = h("button", { type: "button", class: "btn", data: { testid: "end-others" } }, icon("door", 20), "Sign out everywhere else");
  others.addEventListener("click", async () => {
    try {
      await endOtherSessions();
      toast("You are signed in here only.");
    } catch (error) {
      toast(words(error));
    }
    await list.load();
  });
  return h("div", null, about("If one of these is not you, sign it out and change your password."), list.element, h("div", { class: "row after" }, others));
}
