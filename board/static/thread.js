// A thread's page: puts arriving posts in their place, counts what is unread, opens the reply form.
// The order and completeness of events is live.js's; sending is composer.js's.

import { Composer } from "./composer.js";
import { LiveFeed } from "./live.js";
import { count, fetchPage, fragment, isOwn, isPlain, mark, selectedText, showTimes, socketUrl } from "./page.js";
import { Announcer, StatusWord } from "./status.js";

const FADE_MS = 1_300;

export function startThread(main) {
  const posts = new Posts(main);
  const status = new StatusWord();
  const feed = new LiveFeed({
    number: "seq",
    position: Number(main.dataset.seq),
    url: (seq) => socketUrl(main.dataset.socket, { seq }),
    apply: (event) => posts.apply(event),
    fetchMissed: (seq, signal) => fetchMissed(main.dataset.events, seq, signal),
    reload: (signal) => posts.reload(signal),
    state: (name, interval) => status.set(name, interval),
  });
  const section = document.getElementById("reply");
  if (section) startReplying(section, posts, feed);
  feed.start();
}

async function fetchMissed(path, seq, signal) {
  const response = await fetch(`${path}?after=${seq}`, { headers: { Accept: "application/json" }, signal });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  const { events, seq: head } = await response.json();
  return { events, head };
}

/** The posts on the page, what of them is unread, and the counts at the top. */
class Posts {
  #main;
  #list = document.getElementById("posts");
  #pill = document.getElementById("newer");
  #title = document.title;
  #unread = new Set();
  #announcer = new Announcer((total) => count(total, "new reply", "new replies"));
  #seen = new IntersectionObserver((entries) => this.#onScreen(entries));

  constructor(main) {
    this.#main = main;
    this.#list.querySelectorAll(".post").forEach(mark);
    this.#pill.addEventListener("click", () => this.#goToUnread());
    // What scrolled past while the tab was hidden counts as seen once the tab is looked at.
    document.addEventListener("visibilitychange", () => document.hidden || this.#lookAgain());
  }

  apply(event) {
    if (event.t === "post") this.#insert(fragment(event.html), event.no);
    else if (event.t === "file") this.#replace(fragment(event.html), event.no);
    else if (event.t === "thread" && (event.changes.closed || event.changes.archived)) this.#close();
  }

  /** Makes the posts equal to the server's page. Gives the number of the last event in it. */
  async reload(signal) {
    const page = await fetchPage(location.pathname + location.search, signal);
    const fresh = page.getElementById("main");
    for (const post of fresh.querySelectorAll("#posts .post")) {
      const no = Number(post.dataset.no);
      if (!this.#find(no)) this.#insert(document.adoptNode(post), no);
      else if (this.#find(no).querySelector(".pic.wait")) this.#replace(document.adoptNode(post), no);
    }
    if (!page.getElementById("closed").hidden) this.#close();
    return Number(fresh.dataset.seq);
  }

  /** Own posts never count as unread. */
  readOwn(no) {
    const post = this.#find(no);
    if (post) mark(post);
    this.#forget(no);
  }

  #find(no) {
    return document.getElementById(`p${no}`);
  }

  #insert(post, no) {
    if (this.#find(no)) return;
    const before = [...this.#list.children].findLast((one) => Number(one.dataset.no) < no);
    if (before) before.after(post);
    else this.#list.prepend(post);
    mark(post);
    showTimes(post);
    post.classList.add("fresh");
    setTimeout(() => post.classList.remove("fresh"), FADE_MS);
    this.#count(post);
    if (isOwn(no)) return;
    this.#unread.add(no);
    this.#seen.observe(post);
    this.#announcer.add();
    this.#showUnread();
  }

  #replace(post, no) {
    const old = this.#find(no);
    if (!old) return;
    mark(post);
    showTimes(post);
    old.replaceWith(post);
    if (this.#unread.has(no)) this.#seen.observe(post);
  }

  #count(post) {
    const replies = this.#main.querySelector('[data-count="replies"]');
    const pictures = this.#main.querySelector('[data-count="pictures"]');
    replies.textContent = count(parseInt(replies.textContent, 10) + 1, "reply", "replies");
    if (post.querySelector(".pic")) pictures.textContent = count(parseInt(pictures.textContent, 10) + 1, "picture");
    const last = this.#main.querySelector(".counts time");
    last.dateTime = post.querySelector("time").dateTime;
    last.title = "";
    showTimes(last.parentElement);
  }

  #onScreen(entries) {
    if (document.hidden) return;
    for (const entry of entries) if (entry.isIntersecting) this.#forget(Number(entry.target.dataset.no));
  }

  #lookAgain() {
    for (const no of this.#unread) {
      const post = this.#find(no);
      this.#seen.unobserve(post);
      this.#seen.observe(post);
    }
  }

  #forget(no) {
    if (!this.#unread.delete(no)) return;
    this.#seen.unobserve(this.#find(no));
    this.#showUnread();
  }

  #showUnread() {
    const unread = this.#unread.size;
    document.title = unread ? `(${unread}) ${this.#title}` : this.#title;
    this.#pill.textContent = `↓ ${unread} new`;
    this.#pill.hidden = !unread;
  }

  #goToUnread() {
    const first = this.#find(Math.min(...this.#unread));
    first?.scrollIntoView({ block: "center" });
  }

  #close() {
    const note = document.getElementById("closed");
    if (!note.hidden) return;
    note.hidden = false;
    document.getElementById("open-reply")?.remove();
    this.#main.querySelector(".counts").insertAdjacentHTML("beforeend", '<span class="closed">closed</span>');
  }
}

function startReplying(section, posts, feed) {
  const panel = new Panel(section);
  const composer = new Composer(section.querySelector("form"), (answer) => {
    posts.readOwn(answer.no);
    feed.expect(answer.seq);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a");
    if (!link || !isPlain(event)) return;
    const quotes = link.matches("#posts .no, #posts .act");
    if (!quotes && link.getAttribute("href") !== "#reply") return;
    event.preventDefault();
    const picked = selectedText(link.closest(".post"));
    panel.open();
    if (quotes) composer.quote(link.closest(".post").dataset.no, picked);
    composer.focus();
  });
  if (location.hash === "#reply") {
    panel.open();
    composer.focus();
  }
}

/** The floating panel around the reply form. */
class Panel {
  #section;
  #before = null;

  constructor(section) {
    this.#section = section;
    section.querySelector(".close").addEventListener("click", () => this.close());
    section.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    const viewport = window.visualViewport;
    viewport?.addEventListener("resize", () => {
      const covered = Math.max(0, innerHeight - viewport.height - viewport.offsetTop);
      section.style.setProperty("--keyboard", `${covered}px`);
    });
  }

  open() {
    if (!this.#section.classList.contains("open")) this.#before = document.activeElement;
    this.#section.hidden = false;
    this.#section.classList.add("open");
  }

  close() {
    this.#section.classList.remove("open");
    this.#section.hidden = true;
    this.#before?.focus({ preventScroll: true });
  }
}
