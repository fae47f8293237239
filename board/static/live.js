// A feed of numbered events over a WebSocket that loses nothing: it resumes, sees gaps and fills them.
// Knows sockets, numbers and time; it does not know what an event means or what the page looks like.

const BASE_MS = 500;
const GROWTH = 1.5;
const JITTER = 0.3;
const CAP_MS = 60_000;
const CALM_MS = 10_000;
const PROBE_MS = 3_000;
const PATIENCE_MS = 20_000; // workers may be away for seconds while they are replaced; their readers stay
const GAP_MS = 2_000;
const PING_EVERY_MS = 30_000;
const CLOSE_GONE = 4404;
const CLOSE_TOO_MANY = 4429;
const TRIES_BEFORE_POLLING = 3;
const POLL_FIRST_MS = 5_000;
const POLL_CAP_MS = 90_000;

/** The pause in ms before try number `n` (from 0); `random` gives 0 up to 1. */
export function backoff(n, random = Math.random) {
  const jitter = 1 - JITTER + 2 * JITTER * random();
  return Math.min(CAP_MS, BASE_MS * GROWTH ** n * jitter);
}

/**
 * Events in order of their number, each applied once.
 *
 * A frame is a JSON object; `t` is its kind, `frame[number]` its number. The kinds hello, pong and hb
 * carry the newest number there is, resync says that the log does not reach back; all others are events.
 *
 * options:
 *   number      the field that counts, such as "seq"
 *   position    the last number that the page shows
 *   url         (position) => address of the socket
 *   apply       (event) => void, for each next event
 *   hello       (frame) => number | void, optional, at each connection; a number says: the page shows this now
 *   fetchMissed (position) => Promise of {events, head, more}; optional, without it `reload` is used
 *   reload      () => Promise of the number that the page shows after it was made anew
 *   state       (name, seconds) => void with "live", "away", "gone" or "polling" (and its interval)
 */
export class LiveFeed {
  #options;
  #position;
  #head;
  #held = new Map();
  #socket = null;
  #greeted = false;
  #tries = 0;
  #polling = false;
  #ended = false;
  #filling = null;
  #pollPause = POLL_FIRST_MS;
  #timers = new Map();

  constructor(options) {
    this.#options = options;
    this.#position = this.#head = options.position;
  }

  get position() {
    return this.#position;
  }

  start() {
    document.addEventListener("visibilitychange", () => !document.hidden && this.wake());
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    addEventListener("online", () => this.wake());
    addEventListener("offline", () => this.#probe(PROBE_MS));
    this.#connect();
  }

  /** The page came back: ask a socket that claims to be open, replace one that is not. */
  wake() {
    if (this.#ended) return;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#probe(PROBE_MS);
    else if (this.#socket?.readyState !== WebSocket.CONNECTING) this.#connect();
  }

  /** No more events will come or be asked for. */
  end() {
    this.#ended = true;
    for (const name of [...this.#timers.keys()]) this.#stop(name);
    this.#drop();
  }

  /** Makes sure that event `number` arrives: waits a moment for the socket, then fetches. */
  expect(number) {
    this.#head = Math.max(this.#head, number);
    if (this.#behind()) this.#after("gap", this.#greeted ? GAP_MS / 4 : 0, () => this.#fill());
  }

  #behind() {
    return this.#head > this.#position || this.#held.size > 0;
  }

  #after(name, ms, action) {
    this.#stop(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms));
  }

  #stop(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  // The socket

  #connect() {
    this.#stop("retry");
    this.#drop();
    const socket = new WebSocket(this.#options.url(this.#position));
    this.#socket = socket;
    this.#after("silence", CALM_MS, () => this.#lost(socket));
    socket.addEventListener("message", (message) => this.#socket === socket && this.#receive(message.data));
    socket.addEventListener("close", (event) => this.#lost(socket, event.code));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#greeted = false;
    socket?.close();
  }

  #lost(socket, code = 1006) {
    if (this.#socket !== socket || this.#ended) return;
    this.#drop();
    if (code === CLOSE_GONE) {
      this.#options.state("gone");
      this.end();
      return;
    }
    for (const name of ["silence", "ping", "calm"]) this.#stop(name);
    if (!this.#polling) this.#options.state("away");
    this.#tries += 1;
    if (this.#tries >= TRIES_BEFORE_POLLING && !this.#polling) this.#startPolling();
    const pause = backoff(code === CLOSE_TOO_MANY ? this.#tries + 5 : this.#tries - 1);
    this.#after("retry", pause, () => this.#connect());
  }

  #probe(patience) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const socket = this.#socket;
    this.#send({ t: "ping" });
    this.#after("silence", patience, () => this.#lost(socket));
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  // Frames

  #receive(text) {
    this.#stop("silence");
    this.#after("ping", PING_EVERY_MS, () => this.#probe(PATIENCE_MS));
    const frame = JSON.parse(text);
    const number = frame[this.#options.number];
    if (frame.t === "hello") this.#greet(frame, number);
    else if (frame.t === "pong" || frame.t === "hb") this.#notice(number);
    else if (frame.t === "resync") this.#fill(true);
    else this.#take(frame, number);
  }

  #greet(frame, head) {
    this.#greeted = true;
    this.#stopPolling();
    this.#after("calm", CALM_MS, () => (this.#tries = 0));
    this.#options.state("live");
    this.#position = Math.max(this.#position, this.#options.hello?.(frame) ?? 0);
    // What was missed follows by itself; only if it does not is it asked for.
    this.#head = Math.max(this.#head, head ?? 0);
    if (this.#behind()) this.#after("gap", GAP_MS, () => this.#fill());
  }

  #notice(head) {
    if (!(head > this.#head)) return;
    this.#head = head;
    this.#askForGap();
  }

  #take(event, number) {
    if (!Number.isInteger(number) || number <= this.#position) return;
    this.#held.set(number, event);
    this.#head = Math.max(this.#head, number);
    this.#applyHeld();
    if (this.#behind()) this.#askForGap();
  }

  #applyHeld() {
    for (const number of this.#held.keys()) if (number <= this.#position) this.#held.delete(number);
    while (this.#held.has(this.#position + 1)) {
      const event = this.#held.get(this.#position + 1);
      this.#held.delete(this.#position + 1);
      this.#position += 1;
      this.#options.apply(event);
    }
    if (!this.#behind()) this.#stop("gap");
  }

  #askForGap() {
    if (this.#timers.has("gap")) return;
    this.#send({ t: "sync", [this.#options.number]: this.#position });
    this.#after("gap", GAP_MS, () => this.#fill());
  }

  // Without the socket

  /** Fetches all that is missing; one fetch at a time. Gives whether anything new came. */
  #fill(anew = false) {
    this.#filling ??= this.#fetchAll(anew).finally(() => (this.#filling = null));
    return this.#filling;
  }

  async #fetchAll(anew) {
    const before = this.#position;
    try {
      for (let more = !anew && this.#options.fetchMissed; more; ) {
        const from = this.#position;
        const missed = await this.#options.fetchMissed(from);
        for (const event of missed.events) this.#held.set(event[this.#options.number], event);
        this.#applyHeld();
        this.#head = Math.max(this.#head, missed.head);
        more = missed.more && this.#position > from;
      }
      if (anew || !this.#options.fetchMissed || this.#behind()) await this.#reload();
    } catch (error) {
      if (!this.#polling) this.#after("gap", POLL_FIRST_MS, () => this.#fill(anew));
      if (!(error instanceof TypeError)) console.warn("missed events could not be fetched:", error.message);
    }
    return this.#position > before;
  }

  async #reload() {
    this.#position = this.#head = await this.#options.reload();
    this.#applyHeld();
  }

  #startPolling() {
    this.#polling = true;
    this.#pollPause = POLL_FIRST_MS;
    this.#poll();
  }

  async #poll() {
    const news = await this.#fill();
    if (!this.#polling || this.#ended) return;
    this.#pollPause = news ? POLL_FIRST_MS : Math.min(POLL_CAP_MS, this.#pollPause * 2);
    this.#options.state("polling", Math.round(this.#pollPause / 1000));
    this.#after("poll", this.#pollPause, () => this.#poll());
  }

  #stopPolling() {
    this.#polling = false;
    this.#stop("poll");
  }
}
