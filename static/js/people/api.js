/** Accounts, friends and access: requests to the server. */

import { json, part, request } from "../api.js";

/** @typedef {import("../types.js").Me} Me */
/** @typedef {import("../types.js").Person} Person */
/** @typedef {import("../types.js").Group} Group */
/** @typedef {import("../types.js").Notice} Notice */
/** @typedef {import("../types.js").AccessState} AccessState */
/** @typedef {{ name: string, password: string, display_name?: string, email?: string, invitation?: string, token?: string }} NewAccount */
/** @typedef {"channels" | "streams" | "recordings" | "collections"} Kind */

const AUTH = "/api/v1/auth";
const ACCOUNT = "/api/v1/account";

/** @returns {Promise<import("../types.js").Auth>} */
export const getAuth = () => json(AUTH);
/** @param {string} name @param {string} password @returns {Promise<Me>} */
export const signIn = (name, password) => json(`${AUTH}/sign-in`, "POST", { name, password });
/** @param {NewAccount} account @returns {Promise<Me>} */
export const register = (account) => json(`${AUTH}/register`, "POST", account);
/** @param {NewAccount} account @returns {Promise<Me>} */
export const registerFirst = (account) => json(`${AUTH}/first`, "POST", account);
/** @returns {Promise<null>} */
export const signOut = () => json(`${AUTH}/sign-out`, "POST");

/** @param {{ display_name?: string, bio?: string, preferences?: import("../types.js").Preferences }} change @returns {Promise<Me>} */
export const changeProfile = (change) => json(`${ACCOUNT}/profile`, "PATCH", change);
/** @param {Blob} picture @returns {Promise<any>} */
export const setAvatar = (picture) => request(`${ACCOUNT}/avatar`, { method: "PUT", headers: { "Content-Type": picture.type }, body: picture }, 60_000);
/** @returns {Promise<null>} */
export const removeAvatar = () => json(`${ACCOUNT}/avatar`, "DELETE");
/** @param {string} current @param {string} next @returns {Promise<null>} */
export const changePassword = (current, next) => json(`${ACCOUNT}/password`, "POST", { current, new: next });
/** @param {string} password @param {string | null} email @returns {Promise<Me | null>} */
export const changeEmail = (password, email) => json(`${ACCOUNT}/email`, "POST", { password, email });
/** @param {string} password @returns {Promise<null>} */
export const deleteAccount = (password) => json(`${ACCOUNT}/delete`, "POST", { password });

/** @typedef {{ id: string, agent: string, address: string, created_at: string, seen_at: string, current: boolean }} Session */
/** @returns {Promise<{ items: Session[] }>} */
export const getSessions = () => json(`${ACCOUNT}/sessions`);
/** @param {string} id @returns {Promise<null>} */
export const endSession = (id) => json(`${ACCOUNT}/sessions/${part(id)}`, "DELETE");
/** @returns {Promise<null>} */
export const endOtherSessions = () => json(`${ACCOUNT}/sessions/end-others`, "POST");

/** @typedef {{ id: string, note?: string, link?: string, expires_at: string, created_at?: string }} Invitation */
/** @returns {Promise<{ items: Invitation[] }>} */
export const getInvitations = () => json("/api/v1/invitations");
/** @param {string} note @returns {Promise<Invitation>} */
export const invite = (note = "") => json("/api/v1/invitations", "POST", { note });
/** @param {string} id @returns {Promise<null>} */
export const revokeInvitation = (id) => json(`/api/v1/invitations/${part(id)}`, "DELETE");

/** @typedef {{ id: string, name: string, scopes: string[], hint?: string, key?: string, created_at?: string, used_at?: string | null, expires_at?: string | null }} Key */
/** @returns {Promise<{ items: Key[] }>} */
export const getKeys = () => json(`${ACCOUNT}/keys`);
/** @param {string} name @param {string[]} scopes @param {number | null} days @returns {Promise<Key>} */
export const addKey = (name, scopes, days) => json(`${ACCOUNT}/keys`, "POST", { name, scopes, ...(days ? { expires_days: days } : {}) });
/** @param {string} id @returns {Promise<null>} */
export const revokeKey = (id) => json(`${ACCOUNT}/keys/${part(id)}`, "DELETE");
/** @param {string} id @returns {Promise<Key>} */
export const rotateKey = (id) => json(`${ACCOUNT}/keys/${part(id)}/rotate`, "POST");
/** @typedef {{ exists: boolean, hint?: string | null, created_at?: string | null, whip_url: string, key?: string }} StreamKey */
/** @returns {Promise<StreamKey>} */
export const getStreamKey = () => json(`${ACCOUNT}/stream-key`);
/** @returns {Promise<StreamKey>} */
export const newStreamKey = () => json(`${ACCOUNT}/stream-key`, "POST");
/** @returns {Promise<null>} */
export const removeStreamKey = () => json(`${ACCOUNT}/stream-key`, "DELETE");

/** @param {string} text @returns {Promise<{ items: Person[] }>} */
export const searchPeople = (text) => json(`/api/v1/people?search=${part(text)}`);
/** @param {string} id @returns {Promise<Person>} */
export const getPerson = (id) => json(`/api/v1/people/${part(id)}`);
/** @param {string} id @returns {Promise<any>} */
export const askFriend = (id) => json("/api/v1/friends/requests", "POST", { to: id });
/** @param {string} id @returns {Promise<any>} */
export const acceptFriend = (id) => json(`/api/v1/friends/requests/${part(id)}/accept`, "POST");
/** @param {string} id @returns {Promise<any>} */
export const declineFriend = (id) => json(`/api/v1/friends/requests/${part(id)}/decline`, "POST");
/** @param {string} id @returns {Promise<any>} */
export const cancelRequest = (id) => json(`/api/v1/friends/requests/${part(id)}`, "DELETE");
/** @param {string} id @param {boolean} [keepalive] whether the page is leaving @returns {Promise<any>} */
export const unfriend = (id, keepalive = false) => request(`/api/v1/friends/${part(id)}`, { method: "DELETE", keepalive });
/** @returns {Promise<{ items: Person[] }>} */
export const getBlocks = () => json("/api/v1/blocks");
/** @param {string} id @returns {Promise<any>} */
export const block = (id) => json(`/api/v1/blocks/${part(id)}`, "PUT");
/** @param {string} id @returns {Promise<any>} */
export const unblock = (id) => json(`/api/v1/blocks/${part(id)}`, "DELETE");

/** @returns {Promise<{ items: Group[] }>} */
export const getGroups = () => json("/api/v1/groups");
/** @param {string} name @returns {Promise<Group>} */
export const addGroup = (name) => json("/api/v1/groups", "POST", { name });
/** @param {string} id @param {string} name @returns {Promise<Group>} */
export const renameGroup = (id, name) => json(`/api/v1/groups/${part(id)}`, "PATCH", { name });
/** @param {string} id @param {boolean} [keepalive] @returns {Promise<any>} */
export const removeGroup = (id, keepalive = false) => request(`/api/v1/groups/${part(id)}`, { method: "DELETE", keepalive });
/** @param {string} id @param {string} person @param {boolean} on @returns {Promise<any>} */
export const setMember = (id, person, on) => json(`/api/v1/groups/${part(id)}/members/${part(person)}`, on ? "PUT" : "DELETE");

/** @param {string} upTo id of the newest one seen @returns {Promise<null>} */
export const readNotices = (upTo) => json("/api/v1/notifications/read", "POST", { up_to: upTo });
/** @returns {Promise<{ public_key: string | null, browsers: number }>} */
export const getPush = () => json("/api/v1/push");
/** @param {PushSubscriptionJSON} subscription @returns {Promise<any>} */
export const addPush = ({ endpoint, keys }) => json("/api/v1/push", "PUT", { endpoint, keys });
/** @param {string} endpoint of this browser @returns {Promise<null>} */
export const removePush = (endpoint) => json(`/api/v1/push?endpoint=${part(endpoint)}`, "DELETE");

/** @param {Kind} kind @param {string} id @returns {Promise<AccessState>} */
export const getAccess = (kind, id) => json(`/api/v1/${kind}/${part(id)}/access`);
/** @param {Kind} kind @param {string} id @param {Omit<AccessState, "link">} state @returns {Promise<AccessState>} */
export const setAccess = (kind, id, state) => json(`/api/v1/${kind}/${part(id)}/access`, "PUT", state);
/** @param {Kind} kind @param {string} id @returns {Promise<AccessState>} */
export const newLink = (kind, id) => json(`/api/v1/${kind}/${part(id)}/access/link`, "POST");
/** @param {string} key @returns {Promise<null>} */
export const openLink = (key) => json("/api/v1/links/open", "POST", { key });

/** @typedef {import("../types.js").Owner} Owner */
/** @typedef {{ peer: string, person: Owner | null, since: string }} Listener */
/** @param {string} stream @returns {Promise<{ items: Listener[] }>} */
export const getListeners = (stream) => json(`/api/v1/streams/${part(stream)}/listeners`);
/** @param {string} stream @param {string} peer @returns {Promise<null>} */
export const removeListener = (stream, peer) => json(`/api/v1/streams/${part(stream)}/listeners/${part(peer)}`, "DELETE");
/** @param {string} slug @returns {Promise<{ items: { person: Owner, since: string }[] }>} */
export const getBans = (slug) => json(`/api/v1/channels/${part(slug)}/bans`);
/** @param {string} slug @param {string} person @param {boolean} on @returns {Promise<null>} */
export const setBan = (slug, person, on) => json(`/api/v1/channels/${part(slug)}/bans/${part(person)}`, on ? "PUT" : "DELETE");
