/**
 * Where the messages of channels are kept: with Redis in a log that all machines share, without it in memory; and always in
 * memory where a service is the source of a channel. What services publish through Redis comes in here, too.
 */
import type { ChannelUpstreamConfig } from '../../config/schema/channel-upstream.js';
import type { Config } from '../../config/schema.js';
import type { Log } from '../../observe/log.js';
import { jsonLine } from '../../services/channels/message-data.js';
import { isChannelName } from '../../services/channels/names.js';
import { sourceTarget } from '../../services/channels/source-target.js';
import type { SourceNews, SourceSpec } from '../../services/channels/sources.js';
import { FirstRoute } from './first-route.js';
import type { ChannelLog, HistoryOptions, OnMessage, Position, Recovery } from './log.js';
import { MemoryLog } from './memory-log.js';
import type { Publications } from './redis/publications.js';
import type { RedisLog } from './redis/redis-log.js';
import { ChannelSources, type SourceOptions } from './sources/channel-sources.js';
import { SplitLog } from './split-log.js';

export interface MachineLogEnv {
  readonly log: Log;
  readonly onMessage: OnMessage;
  history(channel: string): HistoryOptions;
  /** All there are. */
  readonly workers: number;
  /** Those with subscribers of the channel. */
  workersOf(channel: string): readonly number[];
  openSource(worker: number, spec: SourceSpec): Promise<void>;
  closeSource(worker: number, channel: string): void;
}

const COMPLAIN_EVERY_MS = 5000;

export interface MachineLogCounts {
  /** With other machines; null: there are none. */
  readonly redis: (RedisLog['counts'] & { readonly connected: boolean }) | null;
  readonly publications: (Publications['counts'] & { readonly leads: boolean }) | null;
  readonly sources: ChannelSources['counts'] & ChannelSources['state'];
}

export class MachineLog implements ChannelLog {
  readonly #env: MachineLogEnv;
  readonly #own: MemoryLog;
  readonly #shared: RedisLog | null;
  readonly #publications: Publications | null;
  readonly #split: SplitLog;
  readonly #sources: ChannelSources;
  #routes: FirstRoute;
  #maxMessage: number;
  #complainAt = 0;

  /** The parts that need Redis are loaded with it. */
  static async open(config: Config, env: MachineLogEnv): Promise<MachineLog> {
    if (config.redis === null) return new MachineLog(config, env, null, null);
    const [{ RedisLog }, { Publications }] = await Promise.all([
      import('./redis/redis-log.js'),
      import('./redis/publications.js'),
    ]);
    const { log, onMessage } = env;
    const maxChannels = config.channels.max;
    const shared = new RedisLog({ place: config.redis, onMessage, log, maxChannels });
    const machine: MachineLog = new MachineLog(
      config,
      env,
      shared,
      new Publications({
        place: config.redis,
        log,
        append: (channel, messages, history) => shared.appendAll(channel, messages, history),
        judge: (channel, text) => machine.#judge(channel, text),
      }),
    );
    return machine;
  }

  private constructor(
    config: Config,
    env: MachineLogEnv,
    shared: RedisLog | null,
    publications: Publications | null,
  ) {
    const { memory, max, maxMessage } = config.channels;
    this.#env = env;
    this.#own = new MemoryLog(env.onMessage, { maxBytes: memory, maxChannels: max });
    this.#shared = shared;
    this.#publications = publications;
    this.#routes = new FirstRoute(config);
    this.#maxMessage = maxMessage;
    this.#split = new SplitLog({
      shared: shared ?? this.#own,
      own: this.#own,
      isOwn: (channel) => this.#upstreamOf(channel) !== undefined,
      onFollow: (channel) => this.#sources.want(channel),
      onUnfollow: (channel) => this.#sources.drop(channel),
    });
    this.#sources = this.#makeSources();
  }

  /** Another configuration is in force. */
  adopted(config: Config): void {
    this.#routes = new FirstRoute(config);
    const { maxMessage, memory: maxBytes, max: maxChannels } = config.channels;
    this.#maxMessage = maxMessage;
    this.#own.resize({ maxBytes, maxChannels });
    this.#shared?.resize(maxChannels);
    this.#sources.reconsider(this.#split.reconsider());
  }

  heard(worker: number, news: readonly SourceNews[]): void {
    this.#sources.heard(worker, news);
  }

  workerGone(worker: number): void {
    this.#sources.workerGone(worker);
  }

  /** @throws ChannelHasSource, LogUnavailable */
  append(channel: string, data: string, history: HistoryOptions): Promise<Position> {
    return this.#split.append(channel, data, history);
  }

  recover(
    channel: string,
    since: Position | null,
    history: HistoryOptions,
    answer: (recovery: Recovery) => void,
  ): Promise<void> {
    return this.#split.recover(channel, since, history, answer);
  }

  follow(channel: string): void {
    this.#split.follow(channel);
  }

  unfollow(channel: string): void {
    this.#split.unfollow(channel);
  }

  look(channel: string) {
    return this.#split.look(channel);
  }

  names(): Promise<readonly string[]> {
    return this.#split.names();
  }

  counts(): MachineLogCounts {
    const publications = this.#publications;
    return {
      redis: this.#shared && { ...this.#shared.counts, connected: this.#shared.connected },
      publications: publications && { ...publications.counts, leads: publications.leads },
      sources: { ...this.#sources.counts, ...this.#sources.state },
    };
  }

  async close(): Promise<void> {
    this.#sources.close();
    await this.#publications?.close();
    await this.#split.close();
  }

  #makeSources(): ChannelSources {
    const { log, history, workers, workersOf, openSource, closeSource } = this.#env;
    const all = Array.from({ length: workers }, (_, i) => i + 1);
    return new ChannelSources({
      optionsOf: (channel) => this.#sourceOf(channel),
      workersFor: (channel) => {
        const interested = workersOf(channel);
        return interested.length > 0 ? interested : all;
      },
      open: openSource,
      close: closeSource,
      append: (channel, data) => {
        this.#own.append(channel, data, history(channel)).catch((error: Error) => {
          log.warn({ channel, reason: error.message }, 'channels: a message of a source is lost');
          this.#own.reset(channel);
        });
      },
      torn: (channel) => this.#own.reset(channel),
      onLost: (channel, reason) => this.#complain(channel, reason),
    });
  }

  /** A service that is away loses all its channels, again and again: one line in a while says it. */
  #complain(channel: string, reason: string): void {
    const now = performance.now();
    if (now < this.#complainAt) return;
    this.#complainAt = now + COMPLAIN_EVERY_MS;
    const { lost } = this.#sources.counts;
    this.#env.log.warn({ channel, reason, lost }, 'channels: the source of a channel is lost');
  }

  /** The gateway's own channels, whose names are none for clients, are no service's. */
  #upstreamOf(channel: string): ChannelUpstreamConfig | undefined {
    return isChannelName(channel) ? this.#routes.of(channel)?.upstream : undefined;
  }

  #sourceOf(channel: string): SourceOptions | null {
    const upstream = this.#upstreamOf(channel);
    if (upstream === undefined) return null;
    const { service, path, type, headers, keep, idle } = upstream;
    return {
      service,
      target: sourceTarget(path, channel),
      type,
      headers: Object.entries(headers).flatMap(([name, value]) => [name.toLowerCase(), value]),
      idleMs: idle,
      maxBytes: this.#maxMessage,
      keepMs: keep,
    };
  }

  /** What a service has published through Redis: how it is kept, or why it is not taken. */
  #judge(channel: string, text: string) {
    if (!isChannelName(channel)) return 'its "channel" is not the name of a channel';
    if (text === '') return 'it has no "data"';
    if (Buffer.byteLength(text) > this.#maxMessage) return 'its "data" is larger than channels.maxMessage';
    const data = jsonLine(text);
    if (data === null) return 'its "data" is not JSON';
    if (this.#upstreamOf(channel) !== undefined) return 'a service is the source of its channel';
    return { data, history: this.#env.history(channel) };
  }
}
