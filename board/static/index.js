// The index, live: counts tick in place, a quiet bar says what else happened, nothing moves until it is pressed.
// Also answers a thread where it stands. The order of events is live.js's.

import { Composer } from "./composer.js";
import { LiveFeed } from "./live.js";
import { count, fetchPage, fragment, isOwn, isPlain, mark, selectedText, showTimes, socketUrl } from "./page.js";
import { Announcer, StatusWord } from "./status.js";

export function startIndex(main, notifier) {
  const threads = new Threads(main);
  const status = new StatusWord();
  const greet = (rev) => notifier.greet(rev, (question) => feed.send(question));
  const feed = new LiveFeed({
    number: "rev",
    position: Number(main.dataset.rev),
    url: (rev) => socketUrl(main.dataset.socket, { rev, board: main.dataset.board }),
    apply: (event) => {
      threads.apply(event);
      notifier.take(event);
    },
    hello: ({ rev, threads: all }) => {
      greet(rev);
      return all && threads.compare(all, rev);
    },
    reload: async (signal) => {
      const rev = await threads.check(signal);
      greet(rev);
      return rev;
    },
    state: (name, interval) => status.set(name, interval),
  });
  feed.start();
  startThreadForm();
  new InlineReply(document.getElementById("reply-form"), threads);
}

/** The cards on the page and what is newer than they are. */
class Threads {
  #main;
  #list = document.getElementById("threads");
  #bar = document.getElementById("news");
  #new = new Set();
  #updated = new Set();
  #newest; // the highest post number heard of; a thread beyond it is new
  #announcer = new Announcer(() => this.#bar.textContent);

  constructor(main) {
    this.#main = main;
    this.#newest = this.#newestOnPage();
    this.#list.querySelectorAll(".post").forEach(mark);
    this.#bar.addEventListener("click", () => this.show());
  }

  apply(event) {
    if (event.t === "news") return; // the page has them: they are for who is to be notified
    if (event.t === "upd") {
      document.querySelector(`#p${event.no} .pic.wait`)?.replaceWith(fragment(event.html));
      return;
    }
    this.#newest = Math.max(this.#newest, event.reply_no ?? event.no);
    if (event.t === "new" && !isOwn(event.no)) this.#new.add(event.no);
    if (event.t === "bump") {
      this.#tick(event.no, event.replies, event.images, event.time);
      if (!isOwn(event.reply_no)) this.#updated.add(event.no);
    }
    this.#showNews();
  }

  /** Takes the state of all threads as rows of [no, modified, replies, pictures, bumped]. Gives `rev`. */
  compare(rows, rev) {
    const isFirst = this.#main.dataset.number === "1"; // only there does the page tell what is new
    for (const [no, , replies, pictures, bumped] of rows) {
      const card = this.#card(no);
      if (isFirst && !card && no > this.#newest && !isOwn(no)) this.#new.add(no);
      if (card && Number(card.dataset.replies) < replies) this.#updated.add(no);
      this.#tick(no, replies, pictures, bumped);
    }
    this.#showNews();
    return rev;
  }

  /** Asks the server's page what is newer. Gives its revision. */
  async check(signal) {
    const main = (await fetchPage(location.href, signal)).getElementById("main");
    const rows = [...main.querySelectorAll(".card")].map((card) => {
      const bumped = Date.parse(card.querySelector(".counts time").dateTime) / 1000;
      return [Number(card.dataset.no), bumped, Number(card.dataset.replies), Number(card.dataset.pictures), bumped];
    });
    return this.compare(rows, Number(main.dataset.rev));
  }

  /** Shows the first page as it is now. */
  async show() {
    if (this.#main.dataset.number !== "1") return location.assign(`/${this.#main.dataset.board}/`);
    const open = this.#list.querySelector(".inline-reply");
    const home = open?.closest(".card").id;
    const fresh = await this.#fresh(location.href).catch(() => null);
    if (!fresh) return location.reload();
    this.#list.replaceChildren(...fresh.children);
    if (open) (document.getElementById(home) ?? this.#list.firstElementChild).append(open);
    this.#new.clear();
    this.#updated.clear();
    this.#newest = this.#newestOnPage();
    this.#showNews();
    scrollTo(0, 0);
    this.#list.querySelector("h2 a")?.focus({ preventScroll: true });
    return undefined;
  }

  /** Makes a card that was just answered equal to the server's. Gives the card that stands there now. */
  async renew(card) {
    // From a later page the answer has brought the thread to the first one.
    for (const url of [location.href, `/${this.#main.dataset.board}/`]) {
      const fresh = (await this.#fresh(url).catch(() => null))?.querySelector(`#${card.id}`);
      if (!fresh) continue;
      card.replaceWith(fresh);
      this.#updated.delete(Number(card.dataset.no));
      this.#showNews();
      return fresh;
    }
    return card;
  }

  async #fresh(url) {
    const list = (await fetchPage(url)).getElementById("threads");
    document.adoptNode(list);
    list.querySelectorAll(".post").forEach(mark);
    showTimes(list);
    return list;
  }

  #card(no) {
    return document.getElementById(`t${no}`);
  }

  #newestOnPage() {
    return Math.max(0, ...[...this.#list.querySelectorAll(".post")].map((post) => Number(post.dataset.no)));
  }

  #tick(no, replies, pictures, time) {
    const card = this.#card(no);
    if (!card) return;
    this.#count(card, "replies", count(replies, "reply", "replies"), replies);
    this.#count(card, "pictures", count(pictures, "picture"), pictures);
    const last = card.querySelector(".counts time");
    last.dateTime = new Date(time * 1000).toISOString();
    last.title = "";
    showTimes(last.parentElement);
  }

  #count(card, name, words, number) {
    if (Number(card.dataset[name]) === number) return;
    card.dataset[name] = number;
    const place = card.querySelector(`[data-count="${name}"]`);
    place.textContent = words;
    place.classList.add("ticked");
  }

  #showNews() {
    const updated = [...this.#updated].filter((no) => !this.#new.has(no)).length;
    const parts = [];
    if (this.#new.size) parts.push(count(this.#new.size, "new thread"));
    if (updated) parts.push(`${updated} updated`);
    const text = parts.length ? `${parts.join(", ")} – show` : "";
    if (text && text !== this.#bar.textContent) this.#announcer.add();
    this.#bar.textContent = text;
    this.#bar.hidden = !text;
  }
}

function startThreadForm() {
  const sheet = document.getElementById("new");
  const composer = new Composer(sheet.querySelector("form"), (answer) => location.assign(answer.url));
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.('a[href="#new"]')) return;
    event.preventDefault();
    sheet.open = true;
    sheet.scrollIntoView({ block: "start" });
  });
  sheet.addEventListener("toggle", () => sheet.open && composer.focusFirst());
  sheet.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    sheet.open = false;
    sheet.querySelector("summary").focus();
  });
}

/** A reply form inside a card; one at a time. */
class InlineReply {
  #template;
  #threads;
  #box = null;
  #composer = null;

  constructor(template, threads) {
    this.#template = template;
    this.#threads = threads;
    document.getElementById("threads").addEventListener("click", (event) => this.#click(event));
  }

  #click(event) {
    const link = event.target.closest("a.reply-here, a.act, a.no");
    if (!link || !isPlain(event)) return;
    const card = link.closest(".card");
    if (!card.querySelector(".reply-here")) return;
    event.preventDefault();
    const post = link.closest(".post");
    const picked = selectedText(post);
    this.#open(card);
    if (post) this.#composer.quote(post.dataset.no, picked);
    this.#composer.focus();
    this.#box.scrollIntoView({ block: "nearest" });
  }

  #open(card) {
    if (this.#box?.isConnected && this.#box.closest(".card") === card) return;
    this.#box?.remove();
    const box = document.createElement("div");
    box.className = "inline-reply";
    box.append(this.#template.content.cloneNode(true));
    const form = box.querySelector("form");
    form.action = card.dataset.action;
    form.elements.csrf_token.value = document.querySelector("#new form").elements.csrf_token.value;
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      box.remove();
      card.querySelector(".reply-here").focus();
    });
    card.append(box);
    this.#box = box;
    this.#composer = new Composer(form, (answer) => this.#shown(box.closest(".card"), answer));
  }

  async #shown(card, answer) {
    this.#template.content.querySelector('[name="form_key"]').value = answer.form_key;
    const box = this.#box;
    const fresh = await this.#threads.renew(card);
    fresh.append(box);
    this.#composer.focus();
  }
}
