/**
 * What a broadcaster does about speakers: at once on the page, then told to the server, taken back when it refuses, and
 * to be undone for a while.
 */

import { ApiError, words } from "../api.js";
import { toast } from "../toast.js";
import { forgetName, mergeSpeaker, renameSpeaker, saveVoice, unmergeSpeaker } from "./api.js";
import { deleteVoice } from "./voices.js";

/** @typedef {import("../types.js").Speaker} Speaker */
/** @typedef {import("./speakers.js").Speakers} Speakers */

export class Naming {
  /**
   * @param {() => string | null} stream
   * @param {Speakers} speakers
   * @param {() => void} changed
   * @param {() => string} [version] of the captions; empty: the better one that there is
   */
  constructor(stream, speakers, changed, version = () => "") {
    this.stream = stream;
    this.speakers = speakers;
    this.changed = changed;
    this.version = version;
  }

  /** @param {string} label @param {Partial<Speaker>} change on the page @returns {() => void} takes it back */
  patch(label, change) {
    const before = this.speakers.known.get(label);
    if (!before) return () => {};
    const now = { ...before, ...change };
    this.speakers.known.set(label, now);
    this.changed();
    return () => {
      // Unless the server has said something else meanwhile.
      if (this.speakers.known.get(label) !== now) return;
      this.speakers.known.set(label, before);
      this.changed();
    };
  }

  /**
   * @param {() => void} back
   * @param {(stream: string) => Promise<import("./api.js").SpeakerList>} ask
   * @param {string} failed
   * @returns {Promise<boolean>}
   */
  async tell(back, ask, failed) {
    const stream = this.stream();
    if (!stream) return false;
    try {
      this.learn(await ask(stream));
      return true;
    } catch (error) {
      back();
      toast(`${failed} ${words(error)}`);
      return false;
    }
  }

  /** @param {import("./api.js").SpeakerList} answer all speakers as they are now */
  learn(answer) {
    if (!Array.isArray(answer?.speakers)) return;
    this.speakers.set(answer.speakers);
    this.changed();
  }

  /** @param {string} label @param {string} typed */
  async rename(label, typed) {
    const stream = this.stream();
    const before = this.speakers.entry(label);
    const name = typed.trim().replace(/\s+/g, " ");
    if (!stream || !before || !name || name === before.name) return;
    const back = this.patch(before.label, { name, source: "person" });
    try {
      this.learn(await renameSpeaker(stream, before.label, name, this.version()));
    } catch (error) {
      back();
      if (error instanceof ApiError && error.code === "speaker-name-taken") this.offerMerge(before.label, name, error);
      else toast(`The name was not saved. ${words(error)}`);
      return;
    }
    const undo = () => (before.name ? this.rename(before.label, before.name) : this.forget(before.label));
    toast(`${before.name ?? `Speaker ${before.number}`} is now ${name}, everywhere.`, { label: "Undo", act: () => void undo() });
  }

  /** @param {string} label @param {string} name @param {ApiError} error */
  offerMerge(label, name, error) {
    const same = (/** @type {Speaker} */ one) => one.name?.toLocaleLowerCase() === name.toLocaleLowerCase() && !one.merged_into;
    const other = [...this.speakers.known.values()].find((one) => same(one) && one.label !== label);
    const merge = other && { label: `Merge with ${other.name}`, act: () => void this.merge(label, other.label) };
    toast(error.message, merge);
  }

  /** @param {string} label */
  async forget(label) {
    const before = this.speakers.entry(label);
    if (!before?.name) return;
    const { name } = before;
    const back = this.patch(before.label, { name: null, source: null });
    if (!(await this.tell(back, (stream) => forgetName(stream, before.label, this.version()), "The name was not taken away."))) return;
    toast(`${name} is Speaker ${before.number} again.`, { label: "Undo", act: () => void this.rename(before.label, name) });
  }

  /** @param {string} label @param {string} into */
  async merge(label, into) {
    const [gone, kept] = [this.speakers.who(label), this.speakers.who(into)];
    const back = this.patch(gone.label, { merged_into: kept.label });
    if (!(await this.tell(back, (stream) => mergeSpeaker(stream, gone.label, kept.label, this.version()), "The speakers were not merged."))) return;
    toast(`${gone.name} and ${kept.name} are one speaker now.`, { label: "Undo", act: () => void this.unmerge(gone.label) });
  }

  /** @param {string} label */
  async unmerge(label) {
    const back = this.patch(label, { merged_into: null });
    if (!(await this.tell(back, (stream) => unmergeSpeaker(stream, label, this.version()), "The speakers were not taken apart."))) return;
    toast(`${this.speakers.who(label).name} is a speaker of their own again.`);
  }

  /** @param {string} label @param {"add" | "replace"} [existing] what becomes of a voice that is known by that name */
  async remember(label, existing) {
    const stream = this.stream();
    const who = this.speakers.who(label);
    if (!stream) return;
    try {
      const voice = await saveVoice(stream, who.label, this.version(), existing);
      if (existing === "add") return toast(`The voice of ${who.name} is known better now.`);
      const undo = () => deleteVoice(voice.id).then(() => toast(`The voice of ${who.name} is forgotten.`), (error) => toast(words(error)));
      toast(`The voice of ${who.name} is remembered.`, { label: "Undo", act: () => void undo() });
    } catch (error) {
      const choices = [
        { label: "Replace", act: () => void this.remember(label, "replace") },
        { label: "Add anyway", act: () => void this.remember(label, "add") },
      ];
      const differs = error instanceof ApiError && error.code === "voice-differs";
      toast(`The voice was not saved. ${words(error)}`, differs ? choices : undefined);
    }
    return undefined;
  }
}
