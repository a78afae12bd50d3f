/** One log for channels that all machines share, and one of this machine for those whose source is a service. */
import type { ChannelLog, ChannelState, HistoryOptions, Position, Recovery } from './log.js';

export interface SplitLogOptions {
  readonly shared: ChannelLog;
  /** May be the same one, where there are no other machines. */
  readonly own: ChannelLog;
  /** A service is its source. */
  isOwn(channel: string): boolean;
  /** Of one that a service is the source of. */
  onFollow(channel: string): void;
  onUnfollow(channel: string): void;
}

/** Nobody but its service says anything on the channel. */
export class ChannelHasSource extends Error {}

export class SplitLog implements ChannelLog {
  readonly #options: SplitLogOptions;
  /** And whether it is in the log of this machine. */
  readonly #followed = new Map<string, boolean>();

  constructor(options: SplitLogOptions) {
    this.#options = options;
  }

  /** @throws ChannelHasSource, LogUnavailable */
  async append(channel: string, data: string, history: HistoryOptions): Promise<Position> {
    if (this.#options.isOwn(channel)) throw new ChannelHasSource(`a service is the source of ${channel}`);
    return await this.#options.shared.append(channel, data, history);
  }

  recover(
    channel: string,
    since: Position | null,
    history: HistoryOptions,
    answer: (recovery: Recovery) => void,
  ): Promise<void> {
    return this.#of(channel).recover(channel, since, history, answer);
  }

  follow(channel: string): void {
    const isOwn = this.#options.isOwn(channel);
    this.#of(channel).follow(channel);
    this.#followed.set(channel, isOwn);
    if (isOwn) this.#options.onFollow(channel);
  }

  unfollow(channel: string): void {
    const wasOwn = this.#followed.get(channel);
    if (wasOwn === undefined) return;
    this.#followed.delete(channel);
    this.#options[wasOwn ? 'own' : 'shared'].unfollow(channel);
    if (wasOwn) this.#options.onUnfollow(channel);
  }

  /** Another configuration: some may belong into the other log now. Gives those that have a source. */
  reconsider(): string[] {
    for (const [channel, wasOwn] of [...this.#followed]) {
      if (this.#options.isOwn(channel) === wasOwn) continue;
      this.unfollow(channel);
      this.follow(channel);
    }
    return [...this.#followed].flatMap(([channel, isOwn]) => (isOwn ? [channel] : []));
  }

  look(channel: string): Promise<ChannelState | null> {
    return this.#of(channel).look(channel);
  }

  async names(): Promise<readonly string[]> {
    const { own, shared } = this.#options;
    return [...new Set([...(await own.names()), ...(await shared.names())])];
  }

  async close(): Promise<void> {
    this.#followed.clear();
    await this.#options.own.close();
    await this.#options.shared.close();
  }

  #of(channel: string): ChannelLog {
    return this.#options.isOwn(channel) ? this.#options.own : this.#options.shared;
  }
}
