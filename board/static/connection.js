// Keeps one WebSocket to a server that may go away: connects, waits, probes, and polls while no socket works.
// Knows addresses, close codes and time; what a frame means is live.js's or group.js's. See docs/client.md.

const BASE_MS = 500;
const GROWTH = 1.5;
const JITTER = 0.3;
const CAP_MS = 60_000;
const CALM_MS = 10_000;
const PROBE_MS = 3_000;
const PATIENCE_MS = 20_000; // workers may be away for seconds while they are replaced; their readers stay
const PULSE_MS = 5_000;
const PING_EVERY_MS = 30_000;
const CLOSE_RESTART = 1012;
const RESTART_MS = 4_000; // a restarting server's whole crowd comes back spread over this
const CLOSE_GONE = 4404;
const CLOSE_LATER = [1013, 4429];
const LATER_TRIES = 5;
const TRIES_BEFORE_POLLING = 3;
const POLL_FIRST_MS = 5_000;
const POLL_CAP_MS = 90_000;

/** What a whole crowd is told at once it answers within this time, each page at a moment of its own. */
export const SPREAD_MS = 1_000;

/** The pause in ms before try number `n` (from 0); `random` gives 0 up to 1. */
export function backoff(n, random = Math.random) {
  const jitter = 1 - JITTER + 2 * JITTER * random();
  return Math.min(CAP_MS, BASE_MS * GROWTH ** n * jitter);
}

/**
 * A socket that is replaced whenever it is lost.
 *
 * options:
 *   url     () => address of the next socket; of the page's own host when it is only a path
 *   ping    what is sent to a socket that has been silent; any frame is an answer
 *   receive (frame) => void, text or ArrayBuffer
 *   catchUp (signal) => Promise of whether anything new came, over HTTP; used to poll and by `catchUp()`.
 *           When it fails it is called again later; `signal` ends fetches that take too long
 *   state   (name, seconds) => void, optional, with "live", "away", "gone" or "polling" (and its interval)
 */
export class Connection {
  #options;
  #socket = null;
  #isLive = false;
  #isPolling = false;
  #isHeldOff = false;
  #isOwed = false;
  #working = null;
  #tries = 0;
  #failures = 0;
  #pollPause = POLL_FIRST_MS;
  #heard = 0;
  #beat = 0;
  #timers = new Map();
  #life = new AbortController();

  constructor(options) {
    this.#options = options;
  }

  /** Whether the socket is open and has brought its first frame. */
  get isLive() {
    return this.#isLive;
  }

  start() {
    const on = (target, name, action) => target.addEventListener(name, action, { signal: this.#life.signal });
    on(document, "visibilitychange", () => document.hidden || this.wake());
    on(document, "resume", () => this.wake());
    on(window, "pageshow", (event) => event.persisted && this.wake());
    on(window, "online", () => this.wake());
    on(window, "offline", () => this.ask(this.#options.ping, PROBE_MS));
    this.#beat = Date.now();
    this.#connect();
    this.after("pulse", PULSE_MS, () => this.#pulse());
  }

  /** The page came back: ask a socket that claims to be open, replace one that is not. */
  wake() {
    if (this.#life.signal.aborted) return;
    const socket = this.#socket;
    if (socket?.readyState === WebSocket.OPEN) this.ask(this.#options.ping, PROBE_MS);
    else if (socket?.readyState === WebSocket.CONNECTING) this.after("silence", PROBE_MS, () => this.#lost(socket));
    else if (!this.#isHeldOff) this.#connect();
    if (this.#isPolling) this.#run();
  }

  /** No more frames will come or be asked for. */
  end(state) {
    this.#life.abort();
    for (const name of [...this.#timers.keys()]) this.stop(name);
    this.#drop();
    if (state) this.#options.state?.(state);
  }

  /** Sends text or bytes; gives whether there was an open socket to take it. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(frame);
    return true;
  }

  /** Sends what the server answers; a socket that then stays silent for `patience` ms is given up. */
  ask(frame, patience = PATIENCE_MS) {
    const socket = this.#socket;
    if (this.send(frame)) this.after("silence", patience, () => this.#lost(socket));
  }

  /** Has `options.catchUp` called once from here on (in `ms`), and again after each failure. */
  catchUp(ms = 0) {
    this.#isOwed = true;
    if (ms) this.after("work", ms, () => this.#run());
    else this.#run();
  }

  /** Does something in `ms` unless the connection ends before; one timer of each name. */
  after(name, ms, action) {
    this.stop(name);
    if (this.#life.signal.aborted) return;
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms));
  }

  stop(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  /** Whether the timer of that name runs. */
  awaits(name) {
    return this.#timers.has(name);
  }

  // The socket

  #connect() {
    this.stop("retry");
    this.#drop();
    this.#isHeldOff = false;
    let socket = null;
    try {
      const url = new URL(this.#options.url(), location.href);
      url.protocol = url.protocol.replace("http", "ws");
      socket = new WebSocket(url.href);
    } catch (error) {
      console.warn("no socket can be made:", error.message);
      this.#lost(null);
      return;
    }
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.after("silence", CALM_MS, () => this.#lost(socket));
    socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#receive(data));
    socket.addEventListener("close", ({ code }) => this.#lost(socket, code));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#isLive = false;
    for (const name of ["silence", "calm"]) this.stop(name);
    socket?.close();
  }

  #lost(socket, code) {
    if (this.#socket !== socket || this.#life.signal.aborted) return;
    if (code === CLOSE_GONE) {
      this.end("gone");
      return;
    }
    this.#drop();
    if (!this.#isPolling) this.#options.state?.("away");
    this.#isHeldOff = CLOSE_LATER.includes(code);
    const pause = backoff(this.#tries + (this.#isHeldOff ? LATER_TRIES : 0));
    this.after("retry", code === CLOSE_RESTART ? Math.random() * RESTART_MS : pause, () => this.#connect());
    this.#tries += 1;
    if (this.#tries < TRIES_BEFORE_POLLING || this.#isPolling) return;
    this.#isPolling = true;
    this.#pollPause = POLL_FIRST_MS;
    this.#run();
  }

  #receive(frame) {
    this.#heard = Date.now();
    this.stop("silence");
    if (!this.#isLive) this.#greet();
    this.#options.receive(frame);
  }

  #greet() {
    this.#isLive = true;
    this.#isPolling = false;
    this.#failures = 0;
    this.after("calm", CALM_MS, () => (this.#tries = 0));
    this.#options.state?.("live");
    if (this.#isOwed) this.#run();
    else this.stop("work");
  }

  /** Every five seconds: a beat that comes late means that the machine or the tab has slept. */
  #pulse() {
    const now = Date.now();
    const hasSlept = now - this.#beat > 3 * PULSE_MS && !document.hidden;
    this.#beat = now;
    this.after("pulse", PULSE_MS, () => this.#pulse());
    if (hasSlept) this.wake();
    else if (now - this.#heard >= PING_EVERY_MS && !this.awaits("silence")) this.ask(this.#options.ping);
  }

  // Without the socket

  /** Catches up for whoever asked, or to poll; one run at a time, another behind it when asked meanwhile. */
  #run() {
    this.stop("work");
    this.#working ??= this.#work().finally(() => (this.#working = null));
  }

  async #work() {
    let isNew = false;
    let wasOwed = false;
    try {
      do {
        wasOwed = this.#isOwed;
        this.#isOwed = false;
        isNew = (await this.#limited()) || isNew;
      } while (this.#isOwed && !this.#life.signal.aborted);
      this.#failures = 0;
    } catch (error) {
      this.#isOwed ||= wasOwed;
      this.#failures += 1;
      if (!["TypeError", "TimeoutError"].includes(error.name)) console.warn("not caught up:", error.message);
    }
    if (this.#life.signal.aborted) return;
    if (this.#isPolling) this.#awaitPoll(isNew);
    else if (this.#isOwed) this.after("work", backoff(this.#failures), () => this.#run());
  }

  #awaitPoll(isNew) {
    this.#pollPause = isNew ? POLL_FIRST_MS : Math.min(POLL_CAP_MS, this.#pollPause * 2);
    if (this.#failures) this.#options.state?.("away");
    else this.#options.state?.("polling", Math.round(this.#pollPause / 1000));
    this.after("work", this.#pollPause, () => this.#run());
  }

  #limited() {
    const limit = AbortSignal.timeout(PATIENCE_MS);
    const late = new Promise((_, fail) => limit.addEventListener("abort", () => fail(limit.reason)));
    return Promise.race([this.#options.catchUp(limit), late]);
  }
}
