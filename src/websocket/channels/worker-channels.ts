/** Channels for a worker, configuration after configuration. Loads nothing before a route has them. */
import type { PrimaryLink } from '../../bus.js';
import type { RouteConfig } from '../../config/schema/route.js';
import type { Config } from '../../config/schema.js';
import { usesChannels } from '../../config/uses.js';
import type { Exchange } from '../../exchange.js';
import type { Access } from '../../services/access.js';
import type { Broadcast, ChannelNews } from '../../services/channels/messages.js';
import type { SocketOwners } from '../owners/socket-owners.js';
import type { ChannelCounts, ChannelKeeper } from './keeper.js';
import type { ChannelRules } from './rules.js';

/** What routes with channels are built with. */
export interface ChannelDoors {
  /** What the route does with an exchange that its filters have let pass. */
  open(route: RouteConfig, paramNames: readonly string[], access: Access): (x: Exchange) => void;
  /** The configuration is in force. */
  adopt(): void;
}

export class WorkerChannels {
  readonly #primary: PrimaryLink;
  readonly #publish: (channel: string, text: string) => void;
  #keeper: ChannelKeeper | null = null;

  constructor(primary: PrimaryLink, publish: (channel: string, text: string) => void) {
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
    const built = new Map<string, ChannelRules>();
    return {
      open(route, paramNames, access) {
        const rules = new ChannelRules(route, paramNames, access);
        built.set(route.name, rules);
        return (x) => keeper.serve(x, rules);
      },
      adopt: () => keeper.adopt(built),
    };
  }

  take(news: readonly ChannelNews[]): void {
    this.#keeper?.take(news);
  }

  broadcast(broadcast: Broadcast): { reached: number } {
    return { reached: this.#keeper?.broadcast(broadcast) ?? 0 };
  }

  report(): ChannelCounts | null {
    return this.#keeper?.report() ?? null;
  }
}
