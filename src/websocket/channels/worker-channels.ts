/** Channels for a worker, configuration after configuration. Loads nothing before a route has them. */
import { randomUUID } from 'node:crypto';
import type { Attend } from '../../bus/attendance-calls.js';
import type { PrimaryLink } from '../../bus.js';
import type { RouteConfig } from '../../config/schema/route.js';
import type { Config } from '../../config/schema.js';
import { usesChannels, usesPresence } from '../../config/uses.js';
import type { Exchange } from '../../exchange.js';
import type { Access } from '../../services/access.js';
import type { Broadcast, ChannelNews } from '../../services/channels/messages.js';
import type { Service } from '../../upstream/service.js';
import type { SocketOwners } from '../owners/socket-owners.js';
import type { SourceKeeper } from '../sources/source-keeper.js';
import type { ChannelCounts, ChannelKeeper } from './keeper.js';
import type { WorkerPresence } from './presence/worker-presence.js';
import type { ChannelRules } from './rules.js';

/** The primary is asked; one that does not answer is gone soon, and so is this worker. */
const ANSWER_WITHIN_MS = 10_000;

/** What routes with channels are built with. */
export interface ChannelDoors {
  /** What the route does with an exchange that its filters have let pass. */
  open(
    route: RouteConfig,
    paramNames: readonly string[],
    access: Access,
    services: ReadonlyMap<string, Service>,
  ): (x: Exchange) => void;
  /** The configuration is in force. */
  adopt(): void;
}

export class WorkerChannels {
  readonly #primary: PrimaryLink;
  readonly #publish: (channel: string, text: string) => void;
  readonly #from: { readonly worker: number; readonly life: string };
  #keeper: ChannelKeeper | null = null;
  #presence: WorkerPresence | null = null;
  #sources: SourceKeeper | null = null;
  /** Of the configuration in force, or that is about to be. */
  #services: ReadonlyMap<string, Service> = new Map();

  constructor(worker: number, primary: PrimaryLink, publish: (channel: string, text: string) => void) {
    this.#from = { worker, life: randomUUID() };
    this.#primary = primary;
    this.#publish = publish;
  }

  /** null: there are no channels, nor have there been. */
  async prepare(config: Config, owners: SocketOwners | null): Promise<ChannelDoors | null> {
    if (owners === null || (this.#keeper === null && !usesChannels(config))) return null;
    const [{ ChannelKeeper }, { ChannelRules }] = await Promise.all([
      import('./keeper.js'),
      import('./rules.js'),
    ]);
    this.#keeper ??= new ChannelKeeper(owners, {
      ask: (asks) => this.#primary.tell('channelAsks', asks),
      publish: this.#publish,
    });
    const keeper = this.#keeper;
    if (usesPresence(config)) keeper.presence = await this.#attendance();
    const built = new Map<string, ChannelRules>();
    return {
      open: (route, paramNames, access, services) => {
        this.#services = services;
        const rules = new ChannelRules(route, paramNames, access);
        built.set(route.name, rules);
        return (x) => keeper.serve(x, rules);
      },
      adopt: () => keeper.adopt(built),
    };
  }

  /** Who comes and goes; or a source that this worker is to hold, or no longer. */
  async attend(call: Attend): Promise<void> {
    if ('told' in call) this.#presence?.take(call.told);
    else if ('close' in call) this.#sources?.close(call.close);
    else (await this.#sourceKeeper()).open(call.open);
  }

  /** Loaded with the first route that has presence. */
  async #attendance(): Promise<WorkerPresence> {
    const { WorkerPresence } = await import('./presence/worker-presence.js');
    const ask = this.#primary.ask;
    this.#presence ??= new WorkerPresence({
      hand: (news) => ask('presenceNews', { ...this.#from, news }, ANSWER_WITHIN_MS),
      list: (channel, after, limit) => ask('members', { channel, after, limit }, ANSWER_WITHIN_MS),
    });
    return this.#presence;
  }

  /** Loaded with the first source. */
  async #sourceKeeper(): Promise<SourceKeeper> {
    const { SourceKeeper } = await import('../sources/source-keeper.js');
    this.#sources ??= new SourceKeeper({
      service: (name) => this.#services.get(name) ?? null,
      hand: (news) => this.#primary.ask('sourceNews', { ...this.#from, news }, ANSWER_WITHIN_MS),
    });
    return this.#sources;
  }

  take(news: readonly ChannelNews[]): void {
    this.#keeper?.take(news);
  }

  broadcast(broadcast: Broadcast): { reached: number } {
    return { reached: this.#keeper?.broadcast(broadcast) ?? 0 };
  }

  /** The worker leaves: its clients do so with all other sockets. */
  leave(): void {
    this.#sources?.closeAll();
  }

  report(): ChannelCounts | null {
    return this.#keeper?.report() ?? null;
  }
}
