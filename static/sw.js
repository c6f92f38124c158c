/**
 * Tells of friends who go live while the page is closed. It is registered only where somebody has switched that on; it
 * keeps nothing and answers no requests.
 */

/** @type {any} */
const worker = self;

worker.addEventListener("push", (/** @type {any} */ event) => {
  const news = toShow(event.data);
  event.waitUntil(worker.registration.showNotification(news.title, { body: news.body, tag: news.path, icon: "/static/icons/192.png", data: { path: news.path } }));
});

worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(bring(event.notification.data?.path ?? "/live"));
});

/** @param {any} data @returns {{ title: string, body: string, path: string }} what to show; browsers insist that something is */
function toShow(data) {
  try {
    const { title, body, path } = data.json();
    // Only addresses of this page.
    const ours = typeof path === "string" && new URL(path, worker.location.origin).origin === worker.location.origin;
    return { title: String(title || "Clearcast"), body: String(body ?? ""), path: ours ? path : "/live" };
  } catch {
    return { title: "Clearcast", body: "There is news.", path: "/notices" };
  }
}

/** @param {string} path in a window that is open, else in a new one */
async function bring(path) {
  const url = new URL(path, worker.location.origin).href;
  const windows = await worker.clients.matchAll({ type: "window" });
  if (windows[0]) {
    await windows[0].focus();
    return windows[0].navigate(url);
  }
  return worker.clients.openWindow(url);
}
