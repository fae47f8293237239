// What the page says about itself: the word in the header and a seldom sentence for screen readers.
// Knows no sockets; the feed reports its state here.

const PATIENCE_MS = 5_000;
const WORDS = { live: "Live", gone: "Thread removed" };
const SENTENCE_EVERY_MS = 10_000;

/** Shows Live, or after five seconds away Reconnecting, Offline or Updating. */
export class StatusWord {
  #element = document.getElementById("live");
  #since = Date.now();
  #state = "away";
  #interval = 0;

  constructor() {
    setInterval(() => this.#show(), 1000);
  }

  set(state, interval = 0) {
    if (state !== "live" && this.#state === "live") this.#since = Date.now();
    this.#state = state;
    this.#interval = interval;
    this.#show();
  }

  #show() {
    const away = Date.now() - this.#since;
    if (!(this.#state in WORDS) && away < PATIENCE_MS) return;
    const word = WORDS[this.#state] ?? this.#word(away);
    if (this.#element.textContent !== word) this.#element.textContent = word;
    this.#element.dataset.state = this.#state;
    this.#element.hidden = false;
  }

  #word(away) {
    const minutes = Math.floor(away / 60_000);
    if (!navigator.onLine) return minutes ? `Offline (${minutes} min)` : "Offline";
    return this.#state === "polling" ? `Updating every ${this.#interval} s` : "Reconnecting";
  }
}

/** Tells screen readers at most one sentence in ten seconds; `word(total)` makes it from what gathered. */
export class Announcer {
  #element = document.getElementById("status");
  #total = 0;
  #timer = null;
  #last = 0;

  constructor(word) {
    this.word = word;
  }

  add(count = 1) {
    this.#total += count;
    const wait = Math.max(500, this.#last + SENTENCE_EVERY_MS - Date.now());
    this.#timer ??= setTimeout(() => this.#say(), wait);
  }

  #say() {
    this.#element.textContent = this.word(this.#total);
    this.#last = Date.now();
    this.#total = 0;
    this.#timer = null;
  }
}
