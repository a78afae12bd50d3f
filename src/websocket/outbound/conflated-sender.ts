/**
 * Sends messages to one client, as fast as it takes them. While it does not, or when it has had its share, what comes waits
 * as `LatestQueue` keeps it. Nothing is read in a message before that.
 */
import type { ConflateConfig } from '../../config/schema/socket/conflate.js';
import type { PolicyCounts } from '../policy-counts.js';
import { LatestQueue } from './latest-queue.js';
import { compileMark, type MarkMessage } from './message-key.js';
import { Pace } from './pace.js';

export interface SlowReader {
  send(message: Buffer, binary: boolean): void;
  /** Bytes that it has not taken yet. */
  readonly waiting: number;
}

/** Where the messages come from. */
export interface PausableSource {
  /** More waits than may: nothing is to come until `resumeSource`. */
  pauseSource(): void;
  resumeSource(): void;
}

/** The conflation of a route, compiled. */
export interface Conflation {
  readonly mark: MarkMessage;
  readonly maxRate: ConflateConfig['maxRate'];
  readonly memory: number;
  readonly counts: PolicyCounts;
}

export function compileConflation(options: ConflateConfig, counts: PolicyCounts): Conflation {
  return { mark: compileMark(options), maxRate: options.maxRate, memory: options.memory, counts };
}

export class ConflatedSender {
  readonly #conflation: Conflation;
  readonly #reader: SlowReader;
  readonly #source: PausableSource;
  readonly #now: () => number;
  readonly #pace: Pace | null;
  readonly #queue = new LatestQueue();
  #paused = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    conflation: Conflation,
    reader: SlowReader,
    source: PausableSource,
    now: () => number = () => performance.now(),
  ) {
    this.#conflation = conflation;
    this.#reader = reader;
    this.#source = source;
    this.#now = now;
    this.#pace = conflation.maxRate === undefined ? null : new Pace(conflation.maxRate, now());
  }

  /** Bytes that wait here, bookkeeping included. */
  get waiting(): number {
    return this.#queue.bytes;
  }

  /** Bytes of messages that were never sent, because newer ones took their places. */
  get leftOutBytes(): number {
    return this.#queue.leftOutBytes;
  }

  /** The message is only lent. True: an older one is left out for it. */
  send(message: Buffer, binary: boolean): boolean {
    const queue = this.#queue;
    if (queue.length === 0) {
      const taken = this.#reader.waiting === 0;
      if (taken && (this.#pace === null || this.#pace.take(this.#now()))) {
        this.#reader.send(message, binary);
        return false;
      }
      if (taken) this.#wait();
      else this.#conflation.counts.conflating++;
    }
    const { key, isProtected } = this.#conflation.mark(message);
    let leftOut = false;
    if (isProtected || key === null) queue.putProtected(key, message, binary);
    else leftOut = queue.putState(key, message, binary);
    if (leftOut) this.#conflation.counts.conflated++;
    if (!this.#paused && queue.bytes > this.#conflation.memory) {
      this.#paused = true;
      this.#conflation.counts.pausing++;
      this.#source.pauseSource();
    }
    return leftOut;
  }

  /** The client may have taken something. */
  drained(): void {
    const queue = this.#queue;
    const reader = this.#reader;
    for (let next = queue.peek(); next !== null && reader.waiting === 0; next = queue.peek()) {
      if (this.#pace !== null && !this.#pace.take(this.#now())) {
        this.#wait();
        break;
      }
      reader.send(next.message, next.binary);
      queue.shift();
    }
    if (!this.#paused || queue.bytes > this.#conflation.memory / 2) return;
    this.#paused = false;
    this.#source.resumeSource();
  }

  /** Sends all that waits, because nothing more will come. */
  flush(): void {
    this.stop();
    const queue = this.#queue;
    for (let next = queue.peek(); next !== null; next = queue.peek()) {
      this.#reader.send(next.message, next.binary);
      queue.shift();
    }
  }

  /** Nobody will read what waits. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.drained();
    }, (this.#pace as Pace).waitMs()).unref();
  }
}
