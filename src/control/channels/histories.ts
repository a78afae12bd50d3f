/** How long messages of a channel are kept: as the first route says that allows it. */
import type { Config } from '../../config/schema.js';
import { paramNames } from '../../route/pattern.js';
import { BoundedMap } from '../../services/bounded-map.js';
import type { HistoryOptions } from '../../services/channels/messages.js';
import { ChannelPattern } from '../../services/channels/names.js';

/** Of channels that no route allows: only the latest. */
const NONE: HistoryOptions = { size: 0, ttl: 0 };
const REMEMBERED = 20_000;

export class Histories {
  readonly #known = new BoundedMap<string, HistoryOptions>(REMEMBERED);
  readonly #rules: readonly {
    readonly patterns: readonly ChannelPattern[];
    readonly history: HistoryOptions;
  }[];

  constructor({ routes }: Pick<Config, 'routes'>) {
    this.#rules = routes.flatMap(({ match, channels }) => {
      if (channels === null) return [];
      const names = paramNames(match.path);
      const patterns = channels.allow.map((rule) => new ChannelPattern(rule.match, names));
      return [{ patterns, history: channels.history }];
    });
  }

  of(channel: string): HistoryOptions {
    let history = this.#known.get(channel);
    if (history === undefined) {
      const segments = channel.split('.');
      const rule = this.#rules.find(({ patterns }) => patterns.some((pattern) => pattern.covers(segments)));
      history = rule?.history ?? NONE;
      this.#known.set(channel, history);
    }
    return history;
  }
}
