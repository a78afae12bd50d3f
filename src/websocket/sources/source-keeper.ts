/**
 * The sources that this worker holds for the whole machine. What comes goes to the primary, which has the logs of channels;
 * while it does not keep up, no source is read.
 */
import type { SourceNews, SourceSpec } from '../../services/channels/sources.js';
import { Deadlines } from '../../upstream/deadlines.js';
import type { Service } from '../../upstream/service.js';
import { ChannelSource } from './channel-source.js';

export interface SourceKeeperEnv {
  service(name: string): Service | null;
  /** Resolves when the primary has taken it; rejects when it does not answer. */
  hand(news: readonly SourceNews[]): Promise<void>;
}

/** How often clocks are looked at. */
const LOOK_EVERY_MS = 1000;
/** Characters that may wait for the primary. */
const MOST_WAITING = 4 * 1024 * 1024;

export class SourceKeeper {
  /** Since the start. */
  readonly counts = { garbage: 0 };
  readonly #env: SourceKeeperEnv;
  readonly #sources = new Map<string, ChannelSource>();
  readonly #deadlines = new Deadlines();
  #news: SourceNews[] = [];
  #waiting = 0;
  #handing = false;
  #paused = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(env: SourceKeeperEnv) {
    this.#env = env;
  }

  /** Of this channel, instead of what was there before. */
  open(spec: SourceSpec): void {
    this.#sources.get(spec.channel)?.close();
    const source = new ChannelSource(spec, {
      service: (name) => this.#env.service(name),
      tell: (news) => this.#tell(news),
      onGarbage: () => this.counts.garbage++,
      deadlines: this.#deadlines,
    });
    this.#sources.set(spec.channel, source);
    if (this.#paused) source.pause();
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    source.start();
  }

  close(channel: string): void {
    this.#sources.get(channel)?.close();
    this.#sources.delete(channel);
  }

  closeAll(): void {
    for (const channel of [...this.#sources.keys()]) this.close(channel);
    clearInterval(this.#timer);
  }

  /** How many are connected. */
  get connected(): number {
    return [...this.#sources.values()].filter(({ open }) => open).length;
  }

  #tell(news: SourceNews): void {
    this.#news.push(news);
    if ('data' in news) this.#waiting += news.data.length;
    if (!this.#paused && this.#waiting > MOST_WAITING) this.#pause();
    // What comes in one turn goes together.
    if (this.#handing) return;
    this.#handing = true;
    setImmediate(() => void this.#hand());
  }

  async #hand(): Promise<void> {
    while (this.#news.length > 0) {
      const news = this.#news;
      this.#news = [];
      this.#waiting = 0;
      // A primary that is gone takes the worker with it: nothing is said again.
      await this.#env.hand(news).catch(() => {});
      if (this.#paused && this.#waiting < MOST_WAITING / 2) this.#resume();
    }
    this.#handing = false;
  }

  #pause(): void {
    this.#paused = true;
    for (const source of this.#sources.values()) source.pause();
  }

  #resume(): void {
    this.#paused = false;
    for (const source of this.#sources.values()) source.resume();
  }

  #look(): void {
    const now = performance.now();
    for (const source of this.#sources.values()) source.check(now);
  }
}
