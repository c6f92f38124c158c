/**
 * What the server sends, as types. Nothing here runs.
 *
 * @typedef {"connecting" | "live" | "reconnecting" | "ended"} StreamState
 * @typedef {"absent" | "active" | "bypassed" | "music"} DenoiseMode
 * @typedef {"ok" | "starting" | "degraded" | "off"} DenoiseState
 * @typedef {"off" | "starting" | "ready" | "degraded"} MachineState
 * @typedef {"recording" | "finishing" | "ready" | "failed" | "recovered"} RecordingState
 *
 * @typedef {{ id: string, slug: string, name: string }} ChannelRef
 *
 * @typedef {"private" | "selected" | "group" | "friends" | "link" | "public"} Access
 * @typedef {"open" | "invite" | "closed"} Registration
 * @typedef {{ accounts: boolean, registration: Registration, first: boolean, signed_in: boolean }} Auth
 * `accounts`: whether this server has people; `first`: whether nobody has an account yet.
 *
 * @typedef {object} Preferences
 * @property {Access} [access]
 * @property {string | null} [language]
 * @property {DenoiseMode} [denoise]
 * @property {number} [denoise_strength]
 * @property {boolean} [captions]
 * @property {boolean} [recording]
 * @property {string} [vocabulary]
 * @property {boolean} [notify_live]
 * @property {boolean} [push]
 *
 * @typedef {object} Me
 * @property {string} id
 * @property {string} name what one signs in with
 * @property {string} channel
 * @property {string} display_name
 * @property {string | null} email
 * @property {boolean} administrator
 * @property {string} bio
 * @property {string | null} avatar
 * @property {Preferences} preferences
 * @property {string} created_at
 *
 * @typedef {"none" | "friend" | "requested" | "asks" | "blocked" | "self"} Relation
 * `requested`: one has asked; `asks`: one is asked.
 * @typedef {"offline" | "online" | "listening" | "live"} Presence
 *
 * @typedef {object} Person
 * @property {string} id
 * @property {string} name
 * @property {string} display_name
 * @property {string} [bio]
 * @property {string | null} avatar
 * @property {Relation} relation
 * @property {Presence | null} presence
 * @property {{ slug: string, stream_id: string, title: string } | null} live
 * @property {string | null} [channel]
 *
 * @typedef {{ id: string, name: string, members: string[] }} Group
 * @typedef {{ id: string, display_name: string }} Owner
 *
 * @typedef {object} Notice
 * @property {string} id
 * @property {"friend_request" | "friend_accepted" | "friend_live"} kind
 * @property {any} data
 * @property {string} created_at
 * @property {string | null} [read_at]
 *
 * @typedef {{ access: Access, people: string[], groups: string[], locked: boolean, link: string | null }} AccessState
 *
 * @typedef {object} Config
 * @property {string} version
 * @property {RTCIceServer[]} ice_servers
 * @property {{ state: MachineState, engine: string | null, device: string | null, detail: string }} denoise
 * @property {boolean} record_default
 * @property {number} denoise_strength_default
 * @property {boolean} post_filter_default
 * @property {number} max_title
 * @property {boolean} secure
 * @property {number} reconnect_s
 * @property {boolean} [chat] whether people may write beside a stream
 * @property {{ state: MachineState, recogniser: string | null, diarizer: string | null, translates: boolean, detail: string }} [captions]
 *
 * @typedef {object} Stream
 * @property {string} id
 * @property {ChannelRef} channel
 * @property {string} host
 * @property {string} title
 * @property {StreamState} state
 * @property {string} started_at
 * @property {string | null} ended_at
 * @property {string} end_reason
 * @property {number} duration_s
 * @property {number} listeners
 * @property {number} listeners_peak
 * @property {string | null} reconnect_by
 * @property {{ mode: DenoiseMode, engine: string | null, state: DenoiseState, detail: string, strength: number, post_filter: boolean }} denoise
 * @property {{ on: boolean, id: string | null, detail: string }} recording
 * @property {string[]} sources
 * @property {{ state: CaptionState, detail: string, language: string | null, off_record: boolean }} [captions]
 * @property {boolean} [you_own] in answers; events leave it out
 * @property {Owner} [owner]
 *
 * @typedef {object} ChatMessage
 * @property {string} id
 * @property {number} at stream time, samples at 48 kHz
 * @property {string | null} user id of the writer
 * @property {string} name
 * @property {"text" | "reaction"} kind
 * @property {string} text
 * @property {string} created_at
 * @property {boolean} kept
 *
 * @typedef {"off" | "starting" | "ok" | "degraded"} CaptionState
 *
 * @typedef {{ start: number, end: number, text: string, probability: number }} Word
 * Times are samples at 48 kHz on the stream's timeline; the text has its own leading space.
 *
 * @typedef {object} Caption
 * @property {number} id counts the captions of a stream
 * @property {number} rev counts the versions of this one
 * @property {number} start
 * @property {number} end
 * @property {string[]} speakers labels, the main one first
 * @property {string} text
 * @property {Word[]} words
 * @property {number} committed how many of the words stay
 * @property {boolean} final
 * @property {boolean} hidden
 * @property {boolean} edited
 *
 * @typedef {object} Speaker
 * @property {string} label
 * @property {number} number in order of appearance
 * @property {string | null} name
 * @property {"person" | "voice" | null} source who gave the name
 * @property {string | null} merged_into
 * @property {string | null} voice
 *
 * @typedef {object} Channel
 * @property {string} id
 * @property {string} slug
 * @property {string} name
 * @property {string} host
 * @property {string} whip_url
 * @property {string} whep_url
 * @property {string} listen_path
 * @property {Owner} [owner]
 * @property {Stream | null} stream
 *
 * @typedef {object} Recording
 * @property {string} id
 * @property {string} stream_id
 * @property {string} title
 * @property {string} host
 * @property {Owner} [owner]
 * @property {boolean} [you_own]
 * @property {{ slug: string, name: string }} channel
 * @property {string} created_at
 * @property {number} duration_s
 * @property {number} size_bytes
 * @property {RecordingState} state
 * @property {string} audio_url
 * @property {string | null} raw_url
 * @property {string} download_url
 * @property {string} peaks_url
 * @property {number} [plays_s] how long it is without what was trimmed away
 * @property {string} [description]
 * @property {string | null} [language]
 * @property {"live" | "upload"} [origin]
 * @property {{ start_s: number, end_s: number } | null} [trim] what is played of it; all where nothing is said
 * @property {Facts | null} [facts] with one recording, not in lists
 * @property {{ label: string, name: string, seconds: number, words: number, share: number }[]} [speakers]
 *
 * @typedef {object} Facts
 * @property {{ integrated_lufs: number | null, range_lu: number | null, true_peak_dbtp: number | null } | null} [loudness]
 * @property {{ start_s: number, end_s: number, kind: string }[]} [gaps]
 * @property {{ start_s: number, end_s: number, mode: string, strength: number }[]} [denoise]
 * @property {{ stage: string, name: string, version: string }[]} [models]
 * @property {[number, number][]} [listeners] second, how many; the owner's only
 *
 * @typedef {{ step_s: number, peaks: number[], pauses: [number, number][] }} Peaks
 *
 * @typedef {object} Envelope
 * @property {string} type
 * @property {string} [topic]
 * @property {string} [epoch]
 * @property {number} [seq]
 * @property {string} [time]
 * @property {any} [data]
 *
 * @typedef {{ element: HTMLElement, title: string, leave?: () => void }} View
 * A page: what is shown, the words for the tab, and what to undo when one moves on.
 */

export {};
