/** Which worker wants to hear which channel, and what each is told: messages and answers in one order. */
import type {
  ChannelAsk,
  ChannelNews,
  ChannelQuestion,
  HistoryOptions,
  Message,
} from '../../services/channels/messages.js';
import type { ChannelLog } from './log.js';
import { WorkerFlow } from './worker-flow.js';

export interface SwitchboardOptions {
  readonly log: ChannelLog;
  history(channel: string): HistoryOptions;
  send(worker: number, news: readonly ChannelNews[]): Promise<void>;
}

/** What may wait for a worker that does not keep up. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;

interface Interest {
  readonly workers: Set<number>;
  /** Questions whose answer is not there yet. */
  asking: number;
}

export class Switchboard {
  readonly #options: SwitchboardOptions;
  readonly #interests = new Map<string, Interest>();
  readonly #flows = new Map<number, WorkerFlow>();

  constructor(options: SwitchboardOptions) {
    this.#options = options;
  }

  /** The log tells a message. */
  tell(channel: string, message: Message, epoch: string): void {
    const interest = this.#interests.get(channel);
    if (interest === undefined) return;
    const news: ChannelNews = { channel, epoch, message };
    for (const worker of interest.workers) this.#flow(worker).push(news);
  }

  asked(worker: number, asks: readonly ChannelAsk[]): void {
    for (const ask of asks) {
      if ('leave' in ask) this.#left(worker, ask.leave);
      else void this.#answer(worker, ask);
    }
  }

  workerGone(worker: number): void {
    this.#flows.get(worker)?.close();
    this.#flows.delete(worker);
    for (const channel of [...this.#interests.keys()]) this.#left(worker, channel);
  }

  /** Workers that have subscribers of the channel. */
  workers(channel: string): readonly number[] {
    return [...(this.#interests.get(channel)?.workers ?? [])].sort((a, b) => a - b);
  }

  channels(): Iterable<string> {
    return this.#interests.keys();
  }

  /** The worker hears the channel from the answer on: what came before is in it. */
  async #answer(worker: number, { ask, channel, since }: ChannelQuestion): Promise<void> {
    const { log, history } = this.#options;
    const flow = this.#flow(worker);
    const options = history(channel);
    const interest = this.#interests.get(channel) ?? { workers: new Set(), asking: 0 };
    this.#interests.set(channel, interest);
    interest.asking++;
    try {
      log.follow(channel);
      await log.recover(channel, since, options, (recovery) => {
        // A worker that has died meanwhile has another flow, or none.
        if (this.#flows.get(worker) !== flow) return;
        interest.workers.add(worker);
        flow.push({ answer: ask, recovery, history: options });
      });
    } catch (error) {
      flow.push({ refused: ask, why: (error as Error).message });
    }
    interest.asking--;
    this.#close(channel, interest);
  }

  #left(worker: number, channel: string): void {
    const interest = this.#interests.get(channel);
    if (interest === undefined) return;
    interest.workers.delete(worker);
    this.#close(channel, interest);
  }

  #close(channel: string, { workers, asking }: Interest): void {
    if (workers.size > 0 || asking > 0) return;
    this.#interests.delete(channel);
    this.#options.log.unfollow(channel);
  }

  #flow(worker: number): WorkerFlow {
    let flow = this.#flows.get(worker);
    if (flow === undefined) {
      const { send } = this.#options;
      flow = new WorkerFlow({ mostBytes: MOST_WAITING_BYTES, send: (news) => send(worker, news) });
      this.#flows.set(worker, flow);
    }
    return flow;
  }
}
