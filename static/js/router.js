/** Pages by address, through the history API: following a link does not stop the sound. */

import { h } from "./dom.js";

/** @typedef {import("./types.js").View} View */
/** @typedef {{ pattern: RegExp, view: (part: string) => View | Promise<View> }} Route */

export class Router {
  /**
   * @param {HTMLElement} place
   * @param {Route[]} routes the first that fits; the last is for everything else
   * @param {(path: string) => void} moved
   * @param {(path: string) => string} instead another address than this one; empty: this one
   */
  constructor(place, routes, moved, instead = () => "") {
    this.place = place;
    this.routes = routes;
    this.moved = moved;
    this.instead = instead;
    /** @type {View | null} */
    this.view = null;
    this.turn = 0;
  }

  start() {
    window.addEventListener("popstate", () => void this.show());
    document.addEventListener("click", (event) => this.click(event));
    void this.show();
  }

  /** @param {MouseEvent} event */
  click(event) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.hash || !this.routes.slice(0, -1).some(({ pattern }) => pattern.test(link.pathname))) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }

  /** @param {string} path with its query */
  go(path) {
    if (path !== location.pathname + location.search) history.pushState(null, "", path);
    void this.show(true);
  }

  /** @param {Route} route @param {string} part @returns {Promise<View>} */
  async make(route, part) {
    try {
      return await route.view(part);
    } catch (error) {
      console.error(error);
      const retry = h("button", { type: "button", class: "btn first", on: { click: () => void this.show() } }, "Try again");
      const lead = h("p", { class: "lead", role: "status" }, "The server did not answer when this page was asked for. Check your connection.");
      return { element: h("div", { class: "col" }, h("h1", null, "This page did not load"), lead, h("div", { class: "row" }, retry)), title: "Not loaded" };
    }
  }

  /** @param {boolean} [moved] by the person, so the new page takes the focus */
  async show(moved = false) {
    const turn = ++this.turn;
    const elsewhere = this.instead(location.pathname);
    if (elsewhere) history.replaceState(null, "", elsewhere);
    const path = location.pathname;
    const route = this.routes.find(({ pattern }) => pattern.test(path)) ?? this.routes[0];
    if (!route) return;
    const part = decodeURIComponent(path.match(route.pattern)?.[1] ?? "");
    const view = await this.make(route, part);
    if (turn !== this.turn) return void view.leave?.();
    this.view?.leave?.();
    this.view = view;
    this.place.replaceChildren(view.element);
    document.title = `${view.title} · Clearcast`;
    this.moved(path);
    if (moved) {
      window.scrollTo(0, 0);
      this.place.focus({ preventScroll: true });
    }
    return undefined;
  }
}

/** @type {Router | null} */
let running = null;

/** @param {Router} router the page's */
export function start(router) {
  running = router;
  router.start();
}

/** Go to another page of this one. @param {string} path */
export function go(path) {
  running?.go(path);
}

/** Draw the page that is open anew, because of something that has changed about it. */
export function again() {
  void running?.show();
}
