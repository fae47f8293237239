// The page's script begins here: what every page has, then what its kind adds. Without it the pages work too.

import { Notifier } from "./notify.js";
import { showTimes } from "./page.js";
import { startPictures } from "./pictures.js";

const TIMES_EVERY_MS = 30_000;

const main = document.getElementById("main");
showTimes();
setInterval(() => showTimes(), TIMES_EVERY_MS);
startTheme();
startPictures();
if (main.dataset.page === "index") {
  const { startIndex } = await import("./index.js");
  startIndex(main, new Notifier(main));
}
if (main.dataset.page === "thread") {
  const { startThread } = await import("./thread.js");
  startThread(main);
  new Notifier(main);
}

function startTheme() {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    if (next === system) delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === system) localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // Storage may be forbidden; then the choice holds for this page.
    }
  });
}
