/** The log of channels of one machine, in memory: it ends with the process, and within a bound. */
import { ChannelHistory } from './channel-history.js';
import type { ChannelLog, ChannelState, HistoryOptions, OnMessage, Position, Recovery } from './log.js';
import { LogUnavailable, NO_ROOM_FOR_CHANNELS } from './log.js';

export interface MemoryLogOptions {
  /** Of all messages together; beyond it histories end early, those of channels that were not used for longest first. */
  readonly maxBytes?: number;
  /** Beyond it those are forgotten that nobody follows; when all are followed, there are no more. */
  readonly maxChannels?: number;
  /** Milliseconds, on any clock that only goes forward. */
  readonly now?: () => number;
}

/** A channel that nobody follows or speaks on is forgotten after this long, or as long as its history says. */
const IDLE_MS = 10 * 60_000;
const SWEEP_EVERY_MS = 10_000;

export class MemoryLog implements ChannelLog {
  readonly #onMessage: OnMessage;
  #maxBytes: number;
  #maxChannels: number;
  readonly #now: () => number;
  readonly #followed = new Map<string, ChannelHistory>();
  /** That nobody follows, in the order of their last use. */
  readonly #idle = new Map<string, ChannelHistory>();
  #bytes = 0;
  /** What cannot be made smaller is not tried again with each message. */
  #shrinkAt: number;
  readonly #sweeper: NodeJS.Timeout;

  constructor(onMessage: OnMessage, options: MemoryLogOptions = {}) {
    this.#onMessage = onMessage;
    this.#maxBytes = options.maxBytes ?? 128 * 1024 * 1024;
    this.#maxChannels = options.maxChannels ?? 100_000;
    this.#now = options.now ?? (() => performance.now());
    this.#shrinkAt = this.#maxBytes;
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_EVERY_MS).unref();
  }

  async append(channel: string, data: string, options: HistoryOptions): Promise<Position> {
    const history = this.#use(channel);
    const message = this.#measured(history, () => history.append(data, options, this.#now()));
    if (this.#bytes > this.#shrinkAt) this.#shrink();
    const { epoch } = history;
    if (this.#followed.has(channel)) this.#onMessage(channel, message, epoch);
    return { offset: message.offset, epoch };
  }

  async recover(
    channel: string,
    since: Position | null,
    _options: HistoryOptions,
    answer: (recovery: Recovery) => void,
  ): Promise<void> {
    const history = this.#use(channel);
    answer(this.#measured(history, () => history.recover(since, this.#now())));
  }

  follow(channel: string): void {
    if (this.#followed.has(channel)) return;
    const history = this.#use(channel);
    this.#idle.delete(channel);
    this.#followed.set(channel, history);
  }

  unfollow(channel: string): void {
    const history = this.#followed.get(channel);
    if (history === undefined) return;
    history.usedAt = this.#now();
    this.#followed.delete(channel);
    this.#idle.set(channel, history);
  }

  /** Something may be missing behind its last message: what follows has another epoch. */
  reset(channel: string): void {
    const followed = this.#followed.get(channel);
    const history = followed ?? this.#idle.get(channel);
    if (history === undefined || history.head.offset === 0) return;
    this.#forget(channel, history);
    if (followed !== undefined) this.#followed.set(channel, new ChannelHistory(this.#now()));
  }

  async look(channel: string): Promise<ChannelState | null> {
    const history = this.#followed.get(channel) ?? this.#idle.get(channel);
    return history === undefined ? null : this.#measured(history, () => history.look(this.#now()));
  }

  async names(): Promise<readonly string[]> {
    return [...this.#followed.keys(), ...this.#idle.keys()];
  }

  /** Other bounds from now on. */
  resize({ maxBytes, maxChannels }: Required<Pick<MemoryLogOptions, 'maxBytes' | 'maxChannels'>>): void {
    this.#maxBytes = maxBytes;
    this.#maxChannels = maxChannels;
    this.#shrinkAt = maxBytes;
    if (this.#bytes > maxBytes) this.#shrink();
  }

  /** What all messages take in memory, roughly. */
  get bytes(): number {
    return this.#bytes;
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#followed.clear();
    this.#idle.clear();
    this.#bytes = 0;
  }

  /** Forgets what is too old; by itself now and then. */
  sweep(): void {
    const now = this.#now();
    for (const history of this.#followed.values()) this.#measured(history, () => history.expire(now));
    for (const [channel, history] of this.#idle) {
      if (now - history.usedAt > Math.max(history.ttl, IDLE_MS)) this.#forget(channel, history);
      else this.#measured(history, () => history.expire(now));
    }
  }

  #use(channel: string): ChannelHistory {
    const followed = this.#followed.get(channel);
    if (followed !== undefined) return followed;
    const idle = this.#idle.get(channel);
    if (idle !== undefined) this.#idle.delete(channel);
    else this.#makeRoom();
    const history = idle ?? new ChannelHistory(this.#now());
    this.#idle.set(channel, history);
    return history;
  }

  #makeRoom(): void {
    if (this.#followed.size + this.#idle.size < this.#maxChannels) return;
    for (const [channel, history] of this.#idle) return this.#forget(channel, history);
    throw new LogUnavailable(NO_ROOM_FOR_CHANNELS);
  }

  /** Down to nine tenths, so that it is not done again with the next message. */
  #shrink(): void {
    const goal = 0.9 * this.#maxBytes;
    for (const [channel, history] of this.#idle) {
      if (this.#bytes <= goal) break;
      this.#forget(channel, history);
    }
    for (const history of [...this.#followed.values()].sort((a, b) => a.usedAt - b.usedAt)) {
      if (this.#bytes <= goal) break;
      this.#measured(history, () => history.shrink());
    }
    this.#shrinkAt = Math.max(this.#maxBytes, 1.1 * this.#bytes);
  }

  #forget(channel: string, history: ChannelHistory): void {
    this.#idle.delete(channel);
    this.#bytes -= history.bytes;
  }

  #measured<T>(history: ChannelHistory, work: () => T): T {
    const before = history.bytes;
    const result = work();
    this.#bytes += history.bytes - before;
    return result;
  }
}
