// Readers of groups with history: each message once and in order, and word of what was lost.
// Knows positions ("GROUP EPOCH OFFSET" before a frame's content), not the page. See docs/client.md.

import { Connection, SPREAD_MS } from "./connection.js";

/** Where one reader is in the history of each of its groups. */
export class Positions {
  #known = new Map();

  /** The position in `group` as "EPOCH:OFFSET", "" when none is known. */
  since(group) {
    const known = this.#known.get(group);
    return known ? `${known.epoch}:${known.offset}` : "";
  }

  forget() {
    this.#known.clear();
  }

  /**
   * Takes a frame and gives {is, group, offset, content}; `content` is null where only the position is told.
   *
   * `is`: "next"; "old", had before; "first", nothing was known of the group; "lost", something before it is
   * missing; "other", the frame has no position and is its own content.
   */
  take(frame) {
    const found = split(frame);
    if (!found) return { is: "other", content: frame };
    const { group, epoch, offset, word } = found;
    const known = this.#known.get(group);
    const ahead = known && known.epoch === epoch ? offset - known.offset : Infinity;
    let is = "next";
    if (word === "gap") is = "lost";
    else if (!known) is = "first";
    else if (ahead > (word === "joined" ? 0 : 1)) is = "lost";
    else if (ahead <= 0) is = "old";
    if (is !== "old") this.#known.set(group, { epoch, offset });
    return { ...found, is };
  }
}

function split(frame) {
  const isText = typeof frame === "string";
  const end = isText ? frame.indexOf("\n") : new Uint8Array(frame).indexOf(10);
  const line = frame.slice(0, Math.max(0, end));
  const [, group, epoch, offset, word] =
    /^([\w.-]+) (\S+) (\d+)(?: (\w+))?$/.exec(isText ? line : new TextDecoder().decode(line)) ?? [];
  return group && { group, epoch, offset: Number(offset), word, content: word ? null : frame.slice(end + 1) };
}

/**
 * A feed of the messages of one or more groups.
 *
 * options:
 *   url     (since) => address of the socket; `since(group)` is "EPOCH:OFFSET", "" where none is known
 *   message (content, group) => void, each once and in order; text, or an ArrayBuffer
 *   gap     (signal) => Promise, optional: messages before this moment may be lost, so read the state anew.
 *           Also called at the first join, and to poll; while it runs messages wait; a failed one is repeated
 *   other   (frame) => void, optional: frames that the handler sent to this socket alone
 *   ping    what the handler answers with any frame; "ping"
 *   state   (name, seconds) => void, optional, with "live", "away", "gone" or "polling" (and its interval)
 */
export class GroupFeed {
  #options;
  #connection;
  #positions = new Positions();
  #isStale = false; // messages were lost that the page's state does not have yet
  #held = null;

  constructor(options) {
    this.#options = options;
    this.#connection = new Connection({
      url: () => options.url((group) => this.#positions.since(group)),
      ping: options.ping ?? "ping",
      receive: (frame) => this.#receive(frame),
      catchUp: (signal) => this.#reload(signal),
      state: options.state,
    });
  }

  start() {
    this.#connection.start();
  }

  end() {
    this.#connection.end();
  }

  /** Sends text or bytes to the handler; gives whether there was an open socket to take it. */
  send(frame) {
    return this.#connection.send(frame);
  }

  #receive(frame) {
    const { is, group, content } = this.#positions.take(frame);
    if (is === "other") this.#options.other?.(content);
    if (is === "first" || is === "lost") {
      this.#isStale = true;
      this.#held = [];
      this.#connection.catchUp(is === "lost" ? Math.random() * SPREAD_MS : 0);
    }
    if (!group || is === "old" || content === null) return;
    if (this.#held) this.#held.push([content, group]);
    else this.#options.message(content, group);
  }

  async #reload(signal) {
    const wasStale = this.#isStale;
    this.#isStale = false;
    this.#held = [];
    try {
      const isNew = await this.#options.gap?.(signal);
      // What was polled has no position; the next socket begins from now and the state is read once more.
      if (!this.#connection.isLive) this.#positions.forget();
      return isNew;
    } catch (error) {
      this.#isStale ||= wasStale;
      throw error;
    } finally {
      if (!this.#isStale) this.#release();
    }
  }

  #release() {
    const held = this.#held;
    this.#held = null;
    for (const [content, group] of held) this.#options.message(content, group);
  }
}
