// The board's feed of numbered events: each is applied once and in order, and what is missing is asked for.
// Knows numbers; it does not know sockets (connection.js), what an event means or what the page looks like.

import { Connection, SPREAD_MS } from "./connection.js";
import { Positions } from "./group.js";

const GAP_MS = 2_000;
const PING = JSON.stringify({ t: "ping" });

/**
 * Events in order of their number.
 *
 * A frame is a JSON object; `t` is its kind, `frame[number]` its number. The kinds hello and pong carry the
 * newest number there is, resync says that the log does not reach back; all others are events, and those
 * without a number are applied as they come. Pushes stand behind a position in their group's history.
 *
 * options:
 *   number      the field that counts, such as "seq"
 *   position    the last number that the page shows
 *   url         (position) => address of the socket
 *   apply       (event) => void, for each next event
 *   hello       (frame) => number | void, optional, at each connection; a number says: the page shows this now
 *   fetchMissed (position, signal) => Promise of {events, head}, or of null when what is watched is gone;
 *               optional, without it `reload` is used
 *   reload      (signal) => Promise of the number that the page shows after it was made anew
 *   state       (name, seconds) => void, optional, with "live", "away", "gone" or "polling" (and its interval)
 */
export class LiveFeed {
  #options;
  #connection;
  #position;
  #head;
  #held = new Map();
  #isStale = false; // what the page shows has no number that events could follow
  #positions = new Positions();

  constructor(options) {
    this.#options = options;
    this.#position = this.#head = options.position;
    this.#connection = new Connection({
      url: () => this.#url(),
      ping: PING,
      receive: (frame) => this.#receive(frame),
      catchUp: (signal) => this.#catchUp(signal),
      state: options.state,
    });
  }

  get position() {
    return this.#position;
  }

  start() {
    this.#connection.start();
  }

  /** Sends a question of its owner; gives whether there was an open socket to take it. */
  send(question) {
    return this.#connection.send(JSON.stringify(question));
  }

  /** Makes sure that event `number` arrives: waits a moment for the socket, then fetches. */
  expect(number) {
    this.#head = Math.max(this.#head, number);
    if (this.#isBehind()) this.#fetchAfter(this.#connection.isLive ? GAP_MS / 4 : 0);
  }

  #url() {
    this.#positions.forget(); // a new socket begins from now in its groups; its numbers say what it missed
    return this.#options.url(this.#position);
  }

  #isBehind() {
    return !this.#isStale && (this.#head > this.#position || this.#held.size > 0);
  }

  #fetchAfter(ms) {
    this.#connection.after("fetch", ms, () => this.#isBehind() && this.#connection.catchUp());
  }

  // Frames

  #receive(frame) {
    const { is, content } = this.#positions.take(frame);
    if (is === "lost") this.#syncSoon("lost");
    if (!content || is === "old") return;
    const found = JSON.parse(content);
    const number = found[this.#options.number];
    if (found.t === "hello") this.#greet(found, number);
    else if (found.t === "pong") this.#notice(number);
    else if (found.t === "resync") this.#renew();
    else if (number === undefined) this.#options.apply(found);
    else this.#take(found, number);
  }

  #greet(frame, head) {
    const shown = this.#options.hello?.(frame) ?? 0;
    this.#position = Math.max(this.#position, shown);
    this.#head = Math.max(this.#head, head ?? 0);
    this.#applyHeld();
    // What was missed follows by itself; only if it does not is it asked for.
    if (this.#isBehind()) this.#fetchAfter(GAP_MS);
  }

  #notice(head) {
    this.#head = Math.max(this.#head, head);
    this.#askForGap();
  }

  #take(event, number) {
    if (!Number.isInteger(number) || (number <= this.#position && !this.#isStale)) return;
    this.#held.set(number, event);
    this.#head = Math.max(this.#head, number);
    this.#applyHeld();
    this.#askForGap();
  }

  #applyHeld() {
    if (this.#isStale) return;
    for (const number of this.#held.keys()) if (number <= this.#position) this.#held.delete(number);
    while (this.#held.has(this.#position + 1)) {
      const event = this.#held.get(this.#position + 1);
      this.#held.delete(this.#position + 1);
      this.#position += 1;
      this.#options.apply(event);
    }
    if (!this.#isBehind()) this.#stopAsking();
  }

  #askForGap() {
    const isAsking = this.#connection.awaits("hole") || this.#connection.awaits("fetch");
    if (this.#isBehind() && !isAsking) this.#syncSoon("hole");
  }

  #stopAsking() {
    this.#connection.stop("hole");
    this.#connection.stop("fetch");
  }

  /** Asks for all events behind the page's; the answer ends with the head. */
  #syncSoon(reason) {
    this.#connection.after(reason, Math.random() * SPREAD_MS, () => {
      this.#connection.ask(JSON.stringify({ t: "sync", [this.#options.number]: this.#position }));
      this.#fetchAfter(GAP_MS);
    });
  }

  // Without the socket

  #renew() {
    this.#isStale = true;
    this.#connection.catchUp();
  }

  async #catchUp(signal) {
    const before = this.#position;
    for (let more = !this.#isStale && this.#options.fetchMissed; more; ) {
      const from = this.#position;
      const missed = await this.#options.fetchMissed(from, signal);
      if (!missed) {
        this.#connection.end("gone");
        return false;
      }
      for (const event of missed.events) this.#held.set(event[this.#options.number], event);
      this.#head = Math.max(this.#head, missed.head);
      this.#applyHeld();
      more = this.#position > from && this.#isBehind();
    }
    if (this.#isStale || this.#isBehind() || !this.#options.fetchMissed) await this.#reload(signal);
    return this.#position > before;
  }

  async #reload(signal) {
    this.#isStale = true;
    // The page will show what is known until now; only what arrives meanwhile comes behind it.
    this.#stopAsking();
    this.#held.clear();
    this.#head = 0;
    this.#position = await this.#options.reload(signal);
    this.#isStale = false;
    this.#head = Math.max(this.#head, this.#position);
    this.#applyHeld();
    this.#askForGap();
  }
}
