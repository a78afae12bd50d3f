/** Makes of a limit's definition what the engine decides with. At load time: nothing here runs for a request but `variant`. */
import type { LimitConfig, RateConfig } from '../../config/schema/limits/limits.js';
import { QUOTA } from '../../shared/slots.js';
import { Adaptive } from './adaptive/adaptive.js';
import { adaptiveOptions, isOnTrial } from './adaptive/options.js';
import { Concurrency } from './algorithms/concurrency.js';
import { Quota } from './algorithms/quota.js';
import { SlidingWindow } from './algorithms/sliding-window.js';
import { TokenBucket } from './algorithms/token-bucket.js';
import type { Algorithm } from './decision.js';
import type { Decider } from './engine.js';
import type { KeyHasher, KeySalt } from './key-hash.js';
import { type LimitTexts, limitTexts } from './limit-fields.js';
import type { LimitMemory } from './memory.js';
import { sharedAlgorithm } from './sync/shared-algorithm.js';
import { isRate } from './terms.js';

/** A limit with one set of figures; by role there are several. */
export interface LimitVariant extends Decider {
  /** As in the configuration: for answers and metrics. */
  readonly name: string;
  readonly hasher: KeyHasher;
  /** Where each key of this variant begins: what is counted differently is counted apart. */
  readonly salt: KeySalt;
  readonly texts: LimitTexts;
}

export class Limit {
  readonly name: string;
  readonly #default: LimitVariant;
  /** The highest rate first. */
  readonly #byRole: readonly (readonly [role: string, variant: LimitVariant])[];

  /**
   * Throws a RangeError for figures that cannot be counted. A limit keeps its counts over a reload as long as its name, its
   * keys and its period stay; a token bucket begins full when its rate or its burst has changed.
   */
  constructor(name: string, config: LimitConfig, memory: LimitMemory) {
    this.name = name;
    const { rate, max } = config;
    const variant = (one: RateConfig | null) => variantOf(name, config, one, memory);
    if (typeof max === 'object') {
      const { default: other, ...roles } = max;
      const quota = (most: number) => variantOf(name, { ...config, max: most }, null, memory);
      this.#default = quota(other as number);
      this.#byRole = highestFirst(roles).map(([role, most]) => [role, quota(most)]);
    } else if (rate === undefined) {
      this.#default = variant(null);
      this.#byRole = [];
    } else if (isRate(rate)) {
      this.#default = variant(rate);
      this.#byRole = [];
    } else {
      const { default: other, ...roles } = rate;
      this.#default = variant(other as RateConfig);
      this.#byRole = Object.entries(roles)
        .sort(([, a], [, b]) => b.count / b.periodMs - a.count / a.periodMs)
        .map(([role, own]) => [role, variant(own)]);
    }
  }

  /** What holds for somebody with these roles: of several the highest rate. */
  variant(roles: readonly string[]): LimitVariant {
    for (const [role, variant] of this.#byRole) if (roles.includes(role)) return variant;
    return this.#default;
  }
}

function variantOf(
  name: string,
  config: LimitConfig,
  rate: RateConfig | null,
  memory: LimitMemory,
): LimitVariant {
  const figures = countedAs(name, config, rate);
  const isShared = (config.mode ?? 'local') !== 'local';
  const shadow = isOnTrial(config);
  const algorithm = isShared
    ? sharedAlgorithm(config, rate, memory)
    : algorithmOf(name, config, rate, memory);
  const hasher = memory.hasher(config.algorithm === 'quota');
  return {
    name,
    shadow,
    ...(isShared ? memory.sharedHasher(figures) : { hasher, salt: hasher.salt(figures) }),
    algorithm,
    texts: limitTexts(name, algorithm, shadow),
  };
}

/** What is counted apart from what: names say it, and what the state in a slot means. */
export function countedAs(name: string, config: LimitConfig, rate: RateConfig | null): string {
  const { algorithm, by, burst, per, ipv6Prefix } = config;
  // A count means the same whatever the most is; a time of a token bucket does not.
  const unit = algorithm === 'token-bucket' ? [rate, burst] : (per ?? rate?.periodMs);
  return JSON.stringify([name, algorithm, by, ipv6Prefix, unit]);
}

/** Of several roles the one that may do most counts. */
export function highestFirst(byRole: Readonly<Record<string, number>>): [role: string, most: number][] {
  return Object.entries(byRole).sort(([, a], [, b]) => b - a);
}

function algorithmOf(
  name: string,
  config: LimitConfig,
  rate: RateConfig | null,
  memory: LimitMemory,
): Algorithm {
  const { table, holds, clock } = memory;
  const { algorithm, burst, per } = config;
  const max = config.max as number;
  const calendar = (now: number) => clock.calendar(now);
  switch (algorithm) {
    case 'token-bucket': {
      const { count, periodMs } = rate as RateConfig;
      return new TokenBucket(table, count, periodMs, burst ?? count);
    }
    case 'sliding-window': {
      const { count, periodMs } = rate as RateConfig;
      return new SlidingWindow(table, count, periodMs);
    }
    case 'concurrency':
      return new Concurrency(table, holds, max);
    case 'adaptive':
      return new Adaptive(name, adaptiveOptions(config), memory.adaptive, table);
    case 'quota':
      return typeof per === 'number'
        ? new SlidingWindow(table, max, per, QUOTA, calendar, memory.rolling)
        : new Quota(table, max, per as 'day' | 'week' | 'month', calendar, memory.calendar);
  }
}
