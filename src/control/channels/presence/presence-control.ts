/** The primary's part in presence: it keeps the book, and tells workers who comes and goes on the channels they watch. */
import type { AttendanceAsks, AttendanceCalls } from '../../../bus/attendance-calls.js';
import type { PrimaryHandlers } from '../../../bus.js';
import type { Config } from '../../../config/schema.js';
import { usesPresence } from '../../../config/uses.js';
import type { Log } from '../../../observe/log.js';
import type { PresenceNews, PresencePage, PresenceTold } from '../../../services/channels/presence.js';
import type { Department } from '../../departments.js';
import type { PresenceBook } from './presence-book.js';

export interface PresenceControlOptions {
  readonly log: Log;
  /** Rejects when the worker is gone, or does not answer. */
  call<Name extends keyof AttendanceCalls>(
    worker: number,
    name: Name,
    argument: AttendanceCalls[Name][0],
  ): Promise<AttendanceCalls[Name][1]>;
}

/** What may wait for a worker; a client that misses something is told who is there. */
const MOST_WAITING = 100_000;

export class PresenceControl implements Department {
  readonly #options: PresenceControlOptions;
  #book: PresenceBook | null = null;
  /** Workers, by the channels they watch. */
  readonly #watching = new Map<string, Set<number>>();
  readonly #lives = new Map<number, string>();
  readonly #dead = new Set<string>();
  readonly #told = new Map<number, PresenceTold[]>();

  constructor(options: PresenceControlOptions) {
    this.#options = options;
  }

  readonly handlers: Pick<PrimaryHandlers, 'presenceNews' | 'members'> = {
    presenceNews: async ({ worker, life, news }: AttendanceAsks['presenceNews'][0]) => {
      if (this.#isAlive(worker, life)) for (const one of news) await this.#take(worker, one);
    },
    members: ({ channel, after, limit }) => this.list(channel, after, limit),
  };

  /** The book is opened with the first route that has presence, and stays. */
  async follow(config: Config): Promise<void> {
    if (this.#book !== null || !usesPresence(config)) return;
    this.#book = await this.#open(config);
  }

  /** Whether there is anything to know. */
  get inUse(): boolean {
    return this.#book !== null;
  }

  async list(channel: string, after: string, limit: number): Promise<PresencePage> {
    const nobody = { members: [], total: 0, next: null, partial: false };
    return (await this.#book?.list(channel, after, limit)) ?? nobody;
  }

  workerGone(id: number): void {
    const life = this.#lives.get(id);
    if (life !== undefined) this.#dead.add(life);
    this.#lives.delete(id);
    this.#told.delete(id);
    this.#book?.workerGone(id);
    for (const channel of [...this.#watching.keys()]) this.#unwatch(id, channel);
  }

  async close(): Promise<void> {
    await this.#book?.close();
  }

  async #open({ redis }: Config): Promise<PresenceBook> {
    const onPresence = (channel: string, event: PresenceTold['event']) => this.#tell(channel, event);
    if (redis === null) {
      const { LocalPresence } = await import('./local-presence.js');
      return new LocalPresence(onPresence);
    }
    const { SharedPresence } = await import('./shared-presence.js');
    return new SharedPresence({ place: redis, onPresence, log: this.#options.log });
  }

  /** What a worker that has died said last may be read after its death. */
  #isAlive(worker: number, life: string): boolean {
    if (this.#dead.has(life)) return false;
    this.#lives.set(worker, life);
    return true;
  }

  /** Once somebody watches, nothing that follows is missed: so the worker is answered only then. */
  async #take(worker: number, news: PresenceNews): Promise<void> {
    const book = this.#book;
    if (book === null) return;
    if ('join' in news) book.join(news.join, worker, news.socket, news.who, news.graceMs);
    else if ('leave' in news) book.leave(news.leave, worker, news.socket);
    else if ('unwatch' in news) this.#unwatch(worker, news.unwatch);
    else {
      const workers = this.#watching.get(news.watch) ?? new Set<number>();
      this.#watching.set(news.watch, workers.add(worker));
      await book.watch(news.watch);
    }
  }

  #unwatch(worker: number, channel: string): void {
    const workers = this.#watching.get(channel);
    if (!workers?.delete(worker) || workers.size > 0) return;
    this.#watching.delete(channel);
    this.#book?.unwatch(channel);
  }

  #tell(channel: string, event: PresenceTold['event']): void {
    for (const worker of this.#watching.get(channel) ?? []) {
      const told = this.#told.get(worker);
      if (told !== undefined) {
        if (told.length < MOST_WAITING) told.push({ channel, event });
        continue;
      }
      this.#told.set(worker, [{ channel, event }]);
      setImmediate(() => void this.#flush(worker));
    }
  }

  async #flush(worker: number): Promise<void> {
    const told = this.#told.get(worker) ?? [];
    if (told.length === 0) return void this.#told.delete(worker);
    this.#told.set(worker, []);
    // One that does not answer is about to be replaced.
    await this.#options.call(worker, 'attend', { told }).catch(() => {});
    if (this.#told.has(worker)) await this.#flush(worker);
  }
}
