// Browser notifications of new threads and replies, by the reader's choice.
// Never of own posts, never of a thread that a visible tab shows, each event in one tab only.

import { LiveFeed } from "./live.js";
import { count, isOwn, socketUrl, store, stored } from "./page.js";

const PATIENCE_MS = 1_500; // the answer to an own post may come after its push
const REPLIES_EVERY_MS = 30_000;
const EXCERPT = 120;

export class Notifier {
  #menu = document.getElementById("notify");
  #tabs = new BroadcastChannel("board");
  #main;
  #thread;
  #feed = null;
  #shownElsewhere = new Set();
  #replies = [];
  #repliesTimer = null;

  /** On a thread's page the notifier listens for itself; the index hands over what it hears. */
  constructor(main) {
    this.#main = main;
    this.#thread = Number(main.dataset.thread ?? 0);
    this.#tabs.addEventListener("message", ({ data: { ask, showing } }) => {
      if (ask === this.#thread && !document.hidden) this.#tabs.postMessage({ showing: ask });
      if (showing) this.#shownElsewhere.add(showing);
    });
    this.#startMenu();
    this.#listen();
  }

  /** A frame of the board's socket. */
  take(event) {
    if (event.t === "upd") return;
    const wanted = event.t === "new" ? "threads" : "bumps";
    if (!this.#wants(wanted)) return;
    this.#shownElsewhere.delete(event.no);
    this.#tabs.postMessage({ ask: event.no });
    setTimeout(() => this.#consider(event), PATIENCE_MS);
  }

  #listen() {
    const { board, boardSocket } = this.#main.dataset;
    if (!boardSocket || this.#feed || !(this.#wants("threads") || this.#wants("bumps"))) return;
    this.#feed = new LiveFeed({
      number: "rev",
      position: 0,
      url: () => socketUrl(boardSocket, { board }),
      apply: (event) => this.take(event),
      hello: ({ rev }) => rev,
      reload: async () => this.#feed.position,
    });
    this.#feed.start();
  }

  #wants(kind) {
    return "Notification" in window && Notification.permission === "granted" && stored("notify", {})[kind];
  }

  #consider(event) {
    if (isOwn(event.t === "new" ? event.no : event.reply_no)) return;
    if (this.#shownElsewhere.has(event.no) || (event.no === this.#thread && !document.hidden)) return;
    if (stored("notified", 0) >= event.rev) return;
    store("notified", event.rev);
    if (event.t === "new") this.#tell(`New thread on /${event.board}/`, event);
    else this.#gather(event);
  }

  /** Replies come at most once in thirty seconds, then together. */
  #gather(event) {
    this.#replies.push(event);
    if (this.#repliesTimer) return;
    this.#tellReplies();
    this.#repliesTimer = setTimeout(() => {
      this.#repliesTimer = null;
      if (this.#replies.length) this.#gather(this.#replies.pop());
    }, REPLIES_EVERY_MS);
  }

  #tellReplies() {
    const replies = this.#replies.splice(0);
    const last = replies.at(-1);
    if (replies.length === 1) this.#tell(`Reply in ${last.title || `thread No. ${last.no}`}`, last);
    else {
      const threads = count(new Set(replies.map((reply) => reply.no)).size, "thread");
      this.#tell(`${replies.length} new replies in ${threads}`, { ...last, url: `/${last.board}/` });
    }
  }

  async #tell(title, { title: thread, excerpt, thumb, url, rev, t }) {
    const text = [t === "new" && thread, excerpt].filter(Boolean).join("\n").slice(0, EXCERPT);
    const options = { body: text, tag: `board-${rev}`, icon: thumb ?? "/static/favicon.svg", data: { url } };
    const worker = await navigator.serviceWorker?.getRegistration("/static/");
    if (worker?.active) return worker.showNotification(title, options);
    const notice = new Notification(title, options);
    notice.addEventListener("click", () => {
      window.focus();
      location.assign(url);
    });
    return undefined;
  }

  // The menu

  #startMenu() {
    const boxes = [...this.#menu.querySelectorAll("input")];
    for (const box of boxes) {
      box.checked = Boolean(this.#wants(box.name));
      box.addEventListener("change", () => this.#choose(boxes));
    }
    this.#showChoice(boxes);
    document.addEventListener("click", (event) => {
      if (!this.#menu.contains(event.target)) this.#menu.open = false;
    });
    this.#menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#menu.open = false;
      this.#menu.querySelector("summary").focus();
    });
  }

  async #choose(boxes) {
    const asks = boxes.some((box) => box.checked);
    if (asks && "Notification" in window) {
      if (Notification.permission === "default") await Notification.requestPermission();
      await navigator.serviceWorker?.register("/static/notify-worker.js").catch(() => null);
    }
    store("notify", Object.fromEntries(boxes.map((box) => [box.name, box.checked])));
    this.#showChoice(boxes);
    this.#listen();
  }

  #showChoice(boxes) {
    const note = document.getElementById("notify-note");
    const asks = boxes.some((box) => box.checked);
    const granted = "Notification" in window && Notification.permission === "granted";
    this.#menu.classList.toggle("on", asks && granted);
    note.hidden = !asks || granted;
    note.textContent =
      "Notification" in window
        ? "This browser does not allow notifications from here. Allow them in its settings for this site."
        : "On this device, add the board to the home screen first.";
  }
}
