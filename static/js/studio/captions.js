/** The captions of one's own stream: read, correct, say who speaks, go off the record. */

import { words } from "../api.js";
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

/** @param {Publisher} publisher */
export function studioCaptions(publisher) {
  const model = new CaptionsModel(store.events);
  const naming = new Naming(() => model.stream, model.speakers, () => model.changed());
  const record = recordSwitch(publisher);
  let following = true;
  /** @type {SpeakerCard | null} */
  let card = null;
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
      panel.stop();
      model.stop();
    },
  };
}
