/** Which route says how a channel is: the first one that allows it. */
import type { ChannelsConfig } from '../../config/schema/channels.js';
import type { Config } from '../../config/schema.js';
import { paramNames } from '../../route/pattern.js';
import { BoundedMap } from '../../services/bounded-map.js';
import { ChannelPattern, isChannelName } from '../../services/channels/names.js';

const REMEMBERED = 20_000;

export class FirstRoute {
  readonly #known = new BoundedMap<string, { readonly channels: ChannelsConfig | null }>(REMEMBERED);
  readonly #routes: readonly {
    readonly patterns: readonly ChannelPattern[];
    readonly channels: ChannelsConfig;
  }[];

  constructor({ routes }: Pick<Config, 'routes'>) {
    this.#routes = routes.flatMap(({ match, channels }) => {
      if (channels === null) return [];
      const names = paramNames(match.path);
      return [{ patterns: channels.allow.map((rule) => new ChannelPattern(rule.match, names)), channels }];
    });
  }

  /** null: no route allows it. */
  of(channel: string): ChannelsConfig | null {
    if (!isChannelName(channel)) return null; // one of the gateway's own
    let known = this.#known.get(channel);
    if (known === undefined) {
      const segments = channel.split('.');
      const route = this.#routes.find(({ patterns }) => patterns.some((pattern) => pattern.covers(segments)));
      known = { channels: route?.channels ?? null };
      this.#known.set(channel, known);
    }
    return known.channels;
  }
}
