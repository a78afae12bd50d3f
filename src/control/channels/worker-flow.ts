/** What one worker is told of channels, in order: many at a time, and only so much that it has not taken yet. */
import type { ChannelNews } from '../../services/channels/messages.js';

export interface FlowOptions {
  /** Resolves when the worker has taken it. */
  send(news: readonly ChannelNews[]): Promise<void>;
  /** Of what waits; beyond it messages are left out, and the worker is told of which channels. */
  readonly mostBytes: number;
}

/** Under way at a time: the worker works on one while the next travels. */
const MOST_UNDER_WAY = 4;

export class WorkerFlow {
  readonly #options: FlowOptions;
  #waiting: ChannelNews[] = [];
  #bytes = 0;
  #underWay = 0;
  #scheduled = false;
  #closed = false;

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  push(news: ChannelNews): void {
    if (this.#closed) return;
    this.#waiting.push(news);
    this.#bytes += bytesOf(news);
    if (this.#bytes > this.#options.mostBytes) this.#leaveOut();
    if (this.#scheduled || this.#underWay >= MOST_UNDER_WAY) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** The worker is gone. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#underWay >= MOST_UNDER_WAY) return;
    const news = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#underWay++;
    const done = () => {
      this.#underWay--;
      this.#flush();
    };
    this.#options.send(news).then(done, done);
  }

  /** Answers stay: somebody waits for each. */
  #leaveOut(): void {
    const torn = new Set<string>();
    const kept = this.#waiting.filter((news) => {
      if ('message' in news) torn.add(news.channel);
      else if ('torn' in news) torn.add(news.torn);
      else return true;
      return false;
    });
    this.#waiting = [...kept, ...[...torn].map((channel) => ({ torn: channel }))];
    this.#bytes = 0;
  }
}

function bytesOf(news: ChannelNews): number {
  if ('message' in news) return news.message.data.length + 128;
  if (!('answer' in news)) return 64;
  return news.recovery.missed.reduce((sum, { data }) => sum + data.length + 64, 256);
}
