/** The captions of one's own stream: read, correct, say who speaks, go off the record. */

import { words } from "../api.js";
import { getCaptions } from "../captions/api.js";
import { Correcting } from "../captions/correcting.js";
import { CaptionsModel } from "../captions/model.js";
import { Naming } from "../captions/naming.js";
import { CaptionsPanel } from "../captions/panel.js";
import { nameButton, SpeakerCard } from "../captions/speakercard.js";
import { h } from "../dom.js";
import { toggle } from "../parts.js";
import { store } from "../store.js";
import { toast } from "../toast.js";

/** @typedef {import("./publisher.js").Publisher} Publisher */

const MOST_ASKED = 200;

/** @param {Publisher} publisher */
function recordSwitch(publisher) {
  const control = toggle("off-record-switch", "off-record-name", (on) => {
    publisher.change({ off_record: on }).catch((error) => toast(`${on ? "Still on the record" : "Still off the record"}. ${words(error)}`));
    show(on);
  });
  const show = (/** @type {boolean} */ on) => control.set(on, publisher.onAir);
  const element = h("div", { class: "record-switch" }, h("span", { id: "off-record-name" }, "Off the record"), control.element);
  return {
    element,
    /** @param {boolean} now */
    show: (now) => show(publisher.changes.pending("off_record") ?? now),
  };
}

/**
 * Everybody is told of a hidden caption only that it is hidden. Whoever has hidden it may read it, after a reload too.
 * @param {CaptionsModel} model
 */
function readHidden(model) {
  /** @type {Set<string>} */
  const asked = new Set();
  return async () => {
    const { stream } = model;
    const blank = model.list.filter(({ id, hidden, text }) => hidden && !text && !asked.has(`${stream}/${id}`));
    const newest = blank.at(-1);
    if (!stream || !newest) return;
    for (const { id } of blank) if (id > newest.id - MOST_ASKED) asked.add(`${stream}/${id}`);
    try {
      const { items } = await getCaptions(stream, { version: "live", limit: MOST_ASKED, before: newest.id + 1 });
      if (model.stream !== stream) return;
      for (const caption of items) if (caption.hidden) model.put(caption);
      model.changed();
    } catch {
      // They stay blank until the page is loaded anew.
    }
  };
}

/** @param {Publisher} publisher */
export function studioCaptions(publisher) {
  const model = new CaptionsModel(store.events);
  const naming = new Naming(() => model.stream, model.speakers, () => model.changed());
  const record = recordSwitch(publisher);
  let following = true;
  /** @type {SpeakerCard | null} */
  let card = null;
  const unread = model.watch(readHidden(model));
  const panel = new CaptionsPanel(model, {
    hidden: true,
    name: (who) => nameButton(who, (place, label) => card?.open(place, label)),
    dress: (element, caption) => correcting.dress(element, caption),
    drawn: () => correcting.rove(),
  });
  card = new SpeakerCard(panel.element, naming, (open) => {
    // What is edited stays where it is while the talk goes on.
    if (open) following = panel.follow.on;
    panel.follow.set(open ? false : following);
  });
  const place = panel.flow.parentElement ?? panel.element;
  const correcting = new Correcting(place, () => panel.list, {
    stream: () => model.stream,
    find: (id) => model.captions.get(id),
    put(caption) {
      model.put(caption);
      model.changed();
    },
  });
  const head = h("header", { class: "cap-head" }, h("h2", null, "Captions"), h("span", { class: "sub desk" }, "Press a name to say who it is, a caption to correct it"), h("span", { class: "grow" }), record.element);
  const element = h("section", { class: "st-captions", hidden: true, "aria-label": "Captions of your stream" }, head, panel.element);
  return {
    element,
    show() {
      const { stream } = publisher;
      const on = publisher.onAir && Boolean(stream?.captions) && stream?.captions?.state !== "off";
      if (on && stream) model.follow(stream.id);
      else if (!publisher.onAir) model.follow(null);
      element.hidden = !on;
      record.show(model.offRecord);
    },
    stop() {
      unread();
      panel.stop();
      model.stop();
    },
  };
}
