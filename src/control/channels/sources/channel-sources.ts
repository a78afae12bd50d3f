/**
 * Channels that a service is the source of: one connection per channel and machine, held by one of the workers, from the
 * first subscriber on until a while after the last. What comes goes into the log of this machine alone: each machine has a
 * connection of its own, and would else say everything as often as there are machines.
 */
import type { SourceNews, SourceSpec } from '../../../services/channels/sources.js';

/** What a source needs, whichever channel it is for. */
export type SourceOptions = Omit<SourceSpec, 'channel' | 'lastId'> & {
  /** How long the connection stays when nobody is subscribed any more. */
  readonly keepMs: number;
};

export interface ChannelSourcesEnv {
  /** null: the channel has no service for its source. */
  optionsOf(channel: string): SourceOptions | null;
  /** Workers that may hold a source of this channel: those with subscribers, or any. */
  workersFor(channel: string): readonly number[];
  /** Rejects when the worker is not there. */
  open(worker: number, spec: SourceSpec): Promise<void>;
  close(worker: number, channel: string): void;
  /** A message, in order. */
  append(channel: string, data: string): void;
  /** Something may lie between what came and what comes. */
  torn(channel: string): void;
  onLost(channel: string, reason: string): void;
}

interface Source {
  options: SourceOptions;
  /** null: no worker is there to hold it. */
  worker: number | null;
  opened: boolean;
  lastId: string;
  /** Nobody is subscribed any more. */
  closing: NodeJS.Timeout | undefined;
  /** No worker could be found. */
  retry: NodeJS.Timeout | undefined;
}

const PLACE_AGAIN_MS = 250;

export class ChannelSources {
  /** Since the start. */
  readonly counts = { opened: 0, lost: 0, messages: 0 };
  readonly #env: ChannelSourcesEnv;
  readonly #sources = new Map<string, Source>();

  constructor(env: ChannelSourcesEnv) {
    this.#env = env;
  }

  /** Somebody is subscribed. */
  want(channel: string): void {
    const options = this.#env.optionsOf(channel);
    if (options === null) return;
    const known = this.#sources.get(channel);
    if (known !== undefined) {
      clearTimeout(known.closing);
      known.closing = undefined;
      return;
    }
    const source: Source = {
      options,
      worker: null,
      opened: false,
      lastId: '',
      closing: undefined,
      retry: undefined,
    };
    this.#sources.set(channel, source);
    this.#place(channel, source);
  }

  /** Nobody is, any more. */
  drop(channel: string): void {
    const source = this.#sources.get(channel);
    if (source === undefined || source.closing !== undefined) return;
    source.closing = setTimeout(() => this.#close(channel), source.options.keepMs).unref();
  }

  /** How many there are, and how many of them are connected. */
  get state(): { readonly wanted: number; readonly connected: number } {
    const sources = [...this.#sources.values()];
    return { wanted: sources.length, connected: sources.filter(({ opened }) => opened).length };
  }

  /** What a worker tells. Of a source that is no longer its own it is not heard. */
  heard(worker: number, news: readonly SourceNews[]): void {
    for (const one of news) {
      const source = this.#sources.get(one.channel);
      if (source?.worker === worker) this.#take(one, source);
    }
  }

  workerGone(worker: number): void {
    for (const [channel, source] of this.#sources) {
      if (source.worker !== worker) continue;
      this.#placeElsewhere(channel, source, worker);
    }
  }

  /** Another configuration: what it says otherwise is opened anew. `wanted`: channels with subscribers. */
  reconsider(wanted: Iterable<string>): void {
    for (const [channel, source] of this.#sources) {
      const options = this.#env.optionsOf(channel);
      if (options !== null && JSON.stringify(options) === JSON.stringify(source.options)) continue;
      this.#close(channel);
    }
    for (const channel of wanted) this.want(channel);
  }

  close(): void {
    for (const { closing, retry } of this.#sources.values()) {
      clearTimeout(closing);
      clearTimeout(retry);
    }
    this.#sources.clear();
  }

  /** With the one that holds the fewest; `not`: it has just failed. */
  #place(channel: string, source: Source, not = 0): void {
    const workers = this.#env.workersFor(channel).filter((worker) => worker !== not);
    const loads = new Map<number, number>();
    for (const { worker } of this.#sources.values())
      if (worker !== null) loads.set(worker, (loads.get(worker) ?? 0) + 1);
    const [worker] = [...workers].sort((a, b) => (loads.get(a) ?? 0) - (loads.get(b) ?? 0));
    if (worker === undefined) return this.#placeLater(channel, source);
    source.worker = worker;
    const { keepMs, ...options } = source.options;
    void keepMs;
    this.#env.open(worker, { ...options, channel, lastId: source.lastId }).catch(() => {
      if (this.#sources.get(channel) === source && source.worker === worker)
        this.#placeElsewhere(channel, source, worker);
    });
  }

  #placeElsewhere(channel: string, source: Source, not: number): void {
    source.worker = null;
    source.opened = false;
    this.#place(channel, source, not);
  }

  #placeLater(channel: string, source: Source): void {
    source.retry = setTimeout(() => {
      if (this.#sources.get(channel) === source) this.#place(channel, source);
    }, PLACE_AGAIN_MS).unref();
  }

  #close(channel: string): void {
    const source = this.#sources.get(channel);
    if (source === undefined) return;
    clearTimeout(source.closing);
    clearTimeout(source.retry);
    this.#sources.delete(channel);
    if (source.worker !== null) this.#env.close(source.worker, channel);
    // Nobody knows what the service says until somebody asks again.
    this.#env.torn(channel);
  }

  #take(news: SourceNews, source: Source): void {
    if ('data' in news) {
      if (news.id !== '') source.lastId = news.id;
      this.counts.messages++;
      this.#env.append(news.channel, news.data);
    } else if ('opened' in news) {
      source.opened = true;
      this.counts.opened++;
      if (!news.resumed) this.#env.torn(news.channel);
    } else {
      source.opened = false;
      this.counts.lost++;
      this.#env.onLost(news.channel, news.lost);
    }
  }
}
