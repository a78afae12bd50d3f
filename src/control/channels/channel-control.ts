/** The primary's part in channels: it puts messages in order, keeps them, and tells workers what they want to hear. */
import type { ChannelCalls } from '../../bus/channel-calls.js';
import type { PrimaryHandlers } from '../../bus.js';
import type { Config } from '../../config/schema.js';
import { usesChannels } from '../../config/uses.js';
import type { Log } from '../../observe/log.js';
import type { Audience, Broadcast, ChannelAsk, Position } from '../../services/channels/messages.js';
import { isChannelName } from '../../services/channels/names.js';
import type { Department } from '../departments.js';
import type { Broadcasts } from './broadcasts.js';
import type { Histories } from './histories.js';
import type { ChannelState } from './log.js';
import type { MachineLog, MachineLogCounts } from './machine-log.js';
import type { Switchboard } from './switchboard.js';

export interface ChannelControlOptions {
  readonly workers: number;
  readonly log: Log;
  /** Rejects when the worker is gone, or does not answer. */
  call<Name extends keyof ChannelCalls>(
    worker: number,
    name: Name,
    argument: ChannelCalls[Name][0],
  ): Promise<ChannelCalls[Name][1]>;
}

export interface ChannelControlCounts {
  readonly published: number;
  readonly refused: number;
  readonly broadcasts: number;
}

export interface ChannelView extends ChannelState {
  readonly channel: string;
  /** Workers that have subscribers. */
  readonly workers: readonly number[];
}

export class ChannelControl implements Department {
  readonly #options: ChannelControlOptions;
  #log: MachineLog | null = null;
  #board: Switchboard | null = null;
  #spoken: Broadcasts | null = null;
  #histories: Histories | null = null;
  #used = false;
  #maxMessage = 0;
  #published = 0;
  #refused = 0;
  #broadcasts = 0;

  constructor(options: ChannelControlOptions) {
    this.#options = options;
  }

  /** The log is opened with the first route that has channels, and stays. */
  async follow(config: Config): Promise<void> {
    if (!usesChannels(config)) return;
    const [{ Broadcasts }, { Histories }, { Switchboard }] = await Promise.all([
      import('./broadcasts.js'),
      import('./histories.js'),
      import('./switchboard.js'),
    ]);
    this.#histories = new Histories(config);
    if (this.#log !== null) return;
    const log = await this.#open(config);
    this.#log = log;
    this.#board = new Switchboard({
      log,
      history: (channel) => (this.#histories as Histories).of(channel),
      send: (worker, news) => this.#options.call(worker, 'channelNews', news),
    });
    this.#spoken = new Broadcasts(log, (broadcast) => this.#deliver(broadcast));
  }

  async #open(config: Config): Promise<MachineLog> {
    const { MachineLog } = await import('./machine-log.js');
    const { workers, log, call } = this.#options;
    return await MachineLog.open(config, {
      workers,
      log,
      onMessage: (channel, message, epoch) => {
        if (!this.#spoken?.heard(channel, message.data)) this.#board?.tell(channel, message, epoch);
      },
      history: (channel) => (this.#histories as Histories).of(channel),
      workersOf: (channel) => this.#board?.workers(channel) ?? [],
      openSource: (worker, spec) => call(worker, 'attend', { open: spec }),
      closeSource: (worker, channel) => void call(worker, 'attend', { close: channel }).catch(() => {}),
    });
  }

  adopted(config: Config): void {
    this.#used = usesChannels(config);
    this.#maxMessage = config.channels.maxMessage;
    this.#log?.adopted(config);
  }

  asked = (worker: number, asks: readonly ChannelAsk[]): void => {
    this.#board?.asked(worker, asks);
  };

  /** What services say that are the source of a channel. */
  readonly handlers: Pick<PrimaryHandlers, 'sourceNews'> = {
    sourceNews: async ({ worker, news }) => this.#log?.heard(worker, news),
  };

  workerGone(id: number): void {
    this.#board?.workerGone(id);
    this.#log?.workerGone(id);
  }

  /** Whether the configuration in force has channels. */
  get inUse(): boolean {
    return this.#used && this.#log !== null;
  }

  get maxMessage(): number {
    return this.#maxMessage;
  }

  /**
   * `data` is JSON text, the name that of a channel.
   *
   * @throws LogUnavailable
   */
  async publish(channel: string, data: string): Promise<Position> {
    try {
      const position = await this.#mustLog().append(
        channel,
        data,
        (this.#histories as Histories).of(channel),
      );
      this.#published++;
      return position;
    } catch (error) {
      this.#refused++;
      throw error;
    }
  }

  /**
   * To clients, whatever they are subscribed to, of all machines; resolves with how many there are on this one.
   *
   * @throws LogUnavailable
   */
  async broadcast(to: Audience, data: string): Promise<number> {
    this.#broadcasts++;
    return await (this.#spoken as Broadcasts).send(to, data);
  }

  async #deliver(broadcast: Broadcast): Promise<number> {
    const { workers, call } = this.#options;
    const ids = Array.from({ length: workers }, (_, i) => i + 1);
    const answers = await Promise.all(
      ids.map((id) => call(id, 'broadcast', broadcast).catch(() => ({ reached: 0 }))),
    );
    return answers.reduce((sum, { reached }) => sum + reached, 0);
  }

  /** null: nothing is known of it. */
  async look(channel: string): Promise<ChannelView | null> {
    const state = await this.#mustLog().look(channel);
    return state === null ? null : { channel, ...state, workers: this.#board?.workers(channel) ?? [] };
  }

  /** Those that are known here, by name. */
  async names(): Promise<string[]> {
    return (await this.#mustLog().names()).filter(isChannelName).sort();
  }

  counts(): ChannelControlCounts {
    return { published: this.#published, refused: this.#refused, broadcasts: this.#broadcasts };
  }

  /** What the log does with other machines and with services; null: there is none. */
  logCounts(): MachineLogCounts | null {
    return this.#log?.counts() ?? null;
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  #mustLog(): MachineLog {
    if (this.#log === null) throw new Error('no route has channels');
    return this.#log;
  }
}
