/** What one is told, in the page and while it is closed. */

import { h } from "../dom.js";
import { getPush } from "../people/api.js";
import { pushState, startPush, stopPush } from "../people/push.js";
import { preferred } from "../store.js";
import { about, prefer, savedTick, switchLine } from "./pieces.js";

export async function noticesSection() {
  const tick = savedTick();
  const live = switchLine("notify-live", "A friend goes live", "A quiet note in the page, and a line in the news.", () => preferred().notify_live !== false, (on) => prefer({ notify_live: on }, () => tick.show()));
  const state = await pushState();
  let on = state.on;
  const push = switchLine("push", "Also while this page is closed", state.words, () => on, async (wanted) => {
    const now = wanted ? await startPush() : await stopPush();
    on = now.on;
    push.detail.textContent = now.words;
    if (now.on !== wanted) return;
    // Other browsers of one's own may still want it.
    const browsers = wanted ? 1 : await getPush().then((one) => one.browsers, () => 0);
    await prefer({ push: browsers > 0 }, () => tick.show());
  });
  push.control.set(on, state.able);
  return h("div", null, live.element, push.element, about("For that, this server sends a message through the service of your browser’s maker. They learn that there was one, and when; not what it says. It is off until you switch it on, for each browser by itself."), tick.element);
}
