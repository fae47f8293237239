// Browser notifications of new threads and replies, by the reader's choice.
// Never of own posts, never of a thread that a visible tab shows, each event in one tab only.

import { LiveFeed } from "./live.js";
import { count, isOwn, socketUrl, store, stored } from "./page.js";

const PATIENCE_MS = 1_500; // the answer to an own post may come after its push
const NEWS_MS = 6_000; // a question that nobody answers holds nothing up for longer
const LEFT_MS = 60_000; // who comes to another page within it has not left the board
const REPLIES_EVERY_MS = 30_000;
const FEW_THREADS = 3;
const EXCERPT = 120;
const WORKER = "/static/notify-worker.js";

/**
 * Takes the board's events, weighs each and tells of it, or not.
 *
 * What is kept as "notified" is the last event that any tab has weighed. What came behind it while no page
 * listened, as between two pages or while the network was away, is asked for at the next greeting.
 */
export class Notifier {
  #menu = document.getElementById("notify");
  #tabs = new BroadcastChannel("board");
  #main;
  #thread;
  #feed = null;
  #head; // this page has taken all events up to it; null while it is not known where to begin
  #held = null; // what came too early: events before it are still to come
  #shownElsewhere = new Set();
  #replies = []; // those that come before `#repliesDue` are told then, together
  #repliesDue = 0;
  #repliesTimer = null;

  /** On a thread's page the notifier listens for itself; the index hands over what it hears. */
  constructor(main) {
    this.#main = main;
    this.#thread = Number(main.dataset.thread ?? 0);
    const hasLeft = Date.now() - stored("left", 0) >= LEFT_MS;
    this.#head = (hasLeft ? null : stored("notified", null)) ?? (main.dataset.rev ? Number(main.dataset.rev) : null);
    window.addEventListener("pagehide", () => this.#leave());
    this.#tabs.addEventListener("message", ({ data: { ask, showing } }) => {
      if (ask === this.#thread && !document.hidden) this.#tabs.postMessage({ showing: ask });
      if (showing) this.#shownElsewhere.add(showing);
    });
    this.#startMenu();
    this.#takeOver(hasLeft ? null : stored("replies", null));
    this.#listen();
  }

  /** The board's newest event is `rev`. `ask(question)` sends what is answered with the events in between. */
  greet(rev, ask) {
    this.#head ??= rev;
    if (this.#wantsAny() && stored("notified", null) === null) store("notified", this.#head);
    const known = this.#wantsAny() ? Math.max(this.#head, stored("notified", 0)) : rev;
    const held = (this.#held = [...(this.#held ?? [])]);
    if (known >= rev) this.#release([], rev);
    else if (ask({ t: "news", rev: known })) {
      setTimeout(() => this.#held === held && this.#release([], rev), NEWS_MS);
    }
  }

  /** A frame of the board's socket. */
  take(event) {
    if (event.t === "upd" || event.rev <= this.#head) return;
    if (event.t === "news") this.#release(event.events, event.head);
    else if (this.#held || event.rev !== this.#head + 1) (this.#held ??= []).push(event);
    else this.#release([event], event.rev);
  }

  #listen() {
    const { board, boardSocket } = this.#main.dataset;
    if (!boardSocket || this.#feed || !this.#wantsAny()) return;
    this.#feed = new LiveFeed({
      number: "rev",
      position: 0,
      url: () => socketUrl(boardSocket, { board }),
      apply: (event) => this.take(event),
      hello: ({ rev }) => {
        this.greet(rev, (question) => this.#feed.send(question));
        return rev;
      },
      reload: async () => this.#feed.position,
    });
    this.#feed.start();
  }

  #wants(kind) {
    return "Notification" in window && Notification.permission === "granted" && stored("notify", {})[kind];
  }

  #wantsAny() {
    return Boolean(this.#wants("threads") || this.#wants("bumps"));
  }

  /** Weighs these, then what was held; with them everything up to `head` was taken. */
  #release(events, head) {
    const next = [];
    for (const event of [...events, ...(this.#held ?? [])]) {
      if (event.rev <= this.#head) continue;
      this.#head = event.rev;
      next.push(event);
    }
    this.#held = null;
    this.#head = Math.max(this.#head, head);
    if (!next.length || !this.#wantsAny()) return;
    for (const { no } of next) {
      this.#shownElsewhere.delete(no);
      this.#tabs.postMessage({ ask: no });
    }
    setTimeout(() => this.#weigh(next), PATIENCE_MS);
  }

  #weigh(events) {
    const weighed = stored("notified", 0);
    const next = events.filter(({ rev }) => rev > weighed);
    if (!next.length) return;
    store("notified", next.at(-1).rev);
    const told = next.filter((event) => this.#isNews(event));
    const threads = told.filter(({ t }) => t === "new");
    if (threads.length > FEW_THREADS) this.#tellThreads(threads);
    else for (const event of threads) this.#tell(`New thread on /${event.board}/`, event);
    this.#gather(told.filter(({ t }) => t === "bump"));
  }

  #isNews({ t, no, reply_no: reply }) {
    if (!this.#wants(t === "new" ? "threads" : "bumps") || isOwn(t === "new" ? no : reply)) return false;
    return !this.#shownElsewhere.has(no) && (no !== this.#thread || document.hidden);
  }

  #tellThreads(threads) {
    const last = threads.at(-1);
    this.#tell(`${threads.length} new threads on /${last.board}/`, { ...last, url: `/${last.board}/` });
  }

  /** Replies come at most once in thirty seconds, then together. */
  #gather(replies) {
    this.#replies.push(...replies);
    if (this.#repliesTimer || !this.#replies.length) return;
    this.#tellReplies();
    this.#awaitReplies(REPLIES_EVERY_MS);
  }

  #awaitReplies(ms) {
    this.#repliesDue = Date.now() + ms;
    this.#repliesTimer = setTimeout(() => {
      this.#repliesTimer = null;
      this.#gather([]);
    }, ms);
  }

  /** The page ends: what waits to be told is the next one's. */
  #leave() {
    if (this.#wantsAny()) store("left", Date.now());
    if (this.#repliesTimer) store("replies", { due: this.#repliesDue, replies: this.#replies.splice(0) });
  }

  #takeOver(left) {
    store("replies", null);
    if (!left) return;
    this.#replies = left.replies;
    this.#awaitReplies(Math.max(0, left.due - Date.now()));
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
    const worker = await activeWorker();
    if (worker) return worker.showNotification(title, options);
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
    const wantedAny = this.#wantsAny();
    if (asks && "Notification" in window) {
      if (Notification.permission === "default") await Notification.requestPermission();
      activeWorker();
    }
    store("notify", Object.fromEntries(boxes.map((box) => [box.name, box.checked])));
    if (!wantedAny) store("notified", this.#head); // what was before is nobody's news
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

/** The worker whose notifications outlive the page, once it can show some; null where there is none. */
async function activeWorker() {
  const found = await navigator.serviceWorker?.register(WORKER).catch(() => null);
  const coming = found?.installing ?? found?.waiting;
  if (!found?.active && coming) {
    await new Promise((done) => {
      coming.addEventListener("statechange", () => (found.active || coming.state === "redundant") && done());
    });
  }
  return found?.active ? found : null;
}
