// A click on a notification goes to the tab that shows its thread, or opens one. Fetches and stores nothing.

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url, self.location.origin);
  event.waitUntil(
    self.clients.matchAll({ type: "window", includeUncontrolled: true }).then((tabs) => {
      const shown = tabs.find((tab) => new URL(tab.url).pathname === url.pathname);
      return shown ? shown.focus() : self.clients.openWindow(url.href);
    }),
  );
});
