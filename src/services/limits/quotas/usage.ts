/**
 * What has been used of quotas, and by whom. Only hashes are counted; but the hash of a caller can be made from its name,
 * by the same code that makes it for a request, with the seed that outlives the gateway. So nothing but counts is kept,
 * and any caller can be asked for whose name is known.
 */

import type { Config } from '../../../config/schema.js';
import type { Exchange } from '../../../exchange.js';
import type { Identity } from '../../identity.js';
import { KeyHasher } from '../key-hash.js';
import { compileKey } from '../key-parts.js';
import { countedAs, highestFirst } from '../limit.js';
import { limitsOfPlan, type NamedLimit, namedLimits } from '../plans/named-limits.js';
import { windowName } from '../terms.js';
import { inPeriod, periodAt, type QuotaPer } from './period.js';

/** Whose usage is asked for: a consumer with its keys, or a user. */
export interface Subject {
  readonly consumer: string;
  readonly user: string;
  /** Empty: none in particular. */
  readonly plan: string;
  readonly roles: readonly string[];
  readonly keys: readonly { readonly id: string; readonly plan: string; readonly roles: readonly string[] }[];
}

/** One quota of one caller in one period. Times are ISO 8601. */
export interface UsageRow {
  readonly consumer: string;
  readonly user: string;
  /** Id of the API key, where keys are counted apart. */
  readonly key: string;
  /** What the caller's plan is; empty for quotas that are no plan's. */
  readonly plan: string;
  readonly quota: string;
  /** Where routes are counted apart. */
  readonly route: string;
  /** `day`, `week`, `month`, or the length of a rolling window. */
  readonly per: string;
  /** When it began; of a rolling window the one that ends now. */
  readonly since: string;
  readonly used: number;
  /** null: of an earlier period, when the quota may have been another. */
  readonly max: number | null;
  readonly remaining: number | null;
  /** When all of it is there again; null: it is. */
  readonly resetsAt: string | null;
}

/** Stored under the hash of key and period. */
export type ReadCount = (h1: number, h2: number) => number;

export type UsageConfig = Pick<Config, 'limits' | 'plans' | 'defaultPlan' | 'defaults' | 'routes'>;

interface Quota extends NamedLimit {
  readonly per: QuotaPer;
  /** Routes under it. */
  readonly routes: string[];
}

/** Parts of a key that are known of a caller without a request. */
const KNOWN = new Set(['consumer', 'user', 'caller', 'apiKey', 'route']);
const OF_CALLER = new Set(['consumer', 'user', 'caller', 'apiKey']);

export class Usage {
  readonly #hasher: KeyHasher;
  /** For quotas that several machines count together; null: there are none. */
  readonly #shared: KeyHasher | null;
  readonly #defaultPlan: string;
  readonly #general: readonly Quota[];
  readonly #byPlan: ReadonlyMap<string, readonly Quota[]>;

  /** `seed` is this machine's, `shared` that of all; null: this one counts alone. */
  constructor(
    { limits, plans, defaultPlan, defaults, routes }: UsageConfig,
    seed: Int32Array,
    shared: Int32Array | null = null,
  ) {
    this.#hasher = new KeyHasher(seed);
    this.#shared = shared === null ? null : new KeyHasher(shared);
    this.#defaultPlan = defaultPlan ?? '';
    const general = new Map<string, Quota>();
    const withPlan: string[] = [];
    for (const route of routes) {
      const listed = route.filters.limit ?? defaults.limit ?? [];
      if (listed.includes('plan')) withPlan.push(route.name);
      for (const quota of quotasIn(namedLimits(listed, route.name, limits), [])) {
        const known = general.get(quota.name) ?? quota;
        known.routes.push(route.name);
        general.set(quota.name, known);
      }
    }
    this.#general = [...general.values()];
    this.#byPlan = new Map(
      Object.entries(plans).map(([name, plan]) => [
        name,
        withPlan.length === 0 ? [] : quotasIn(limitsOfPlan(name, plan, limits), withPlan),
      ]),
    );
  }

  /** The plan that holds for somebody who has this one. */
  planOf(name: string): string {
    return this.#byPlan.has(name) ? name : this.#defaultPlan;
  }

  /** `time` in milliseconds since 1970; `history`: so many periods before the present one that were counted in, too. */
  rows(subject: Subject, read: ReadCount, time: number, history = 0): UsageRow[] {
    const rows: UsageRow[] = [];
    const { keys } = subject;
    const whole = { ...subject, keyId: '' };
    for (const quota of this.#general) {
      for (const one of quota.config.by.includes('apiKey') ? keysOf(subject) : [whole]) {
        this.#count(rows, quota, one, '', read, time, history);
      }
    }
    // Whose keys all have plans of their own is not under the default one.
    const ofKeys = keys.map(({ plan }) => plan);
    const own = subject.plan !== '' || keys.length === 0 ? [subject.plan] : [];
    const plans = new Set([...own, ...ofKeys].map((plan) => this.planOf(plan)));
    for (const plan of plans) {
      for (const quota of this.#byPlan.get(plan) ?? []) {
        const all = quota.config.by.includes('apiKey')
          ? keysOf(subject).filter((key) => this.planOf(key.plan) === plan)
          : [whole];
        for (const one of all) this.#count(rows, quota, one, plan, read, time, history);
      }
    }
    return rows;
  }

  #count(
    rows: UsageRow[],
    quota: Quota,
    who: Subject & { readonly keyId: string },
    plan: string,
    read: ReadCount,
    time: number,
    history: number,
  ): void {
    const { name, per, config } = quota;
    for (const key of config.by) {
      if (key === 'user' && who.user === '') return;
      if (key === 'consumer' && who.consumer === '') return;
    }
    const max = mostFor(config.max, who.roles);
    for (const route of config.by.includes('route') ? quota.routes : ['']) {
      const hash = this.#hash(quota, who, route);
      const at = (moment: number) => {
        const period = periodAt(per, moment);
        return { period, count: read(...inPeriod(hash[0] as number, hash[1] as number, period)) };
      };
      const general = {
        ...{ consumer: who.consumer, user: who.user, key: who.keyId, plan, quota: name, route },
        per: typeof per === 'string' ? per : windowName(per),
      };
      const now = at(time);
      if (typeof per === 'number') {
        const { start, end } = now.period;
        const before = at(start - 1).count;
        const used = now.count + Math.ceil((before * (end - time)) / per);
        const resets = now.count > 0 ? end + per : before > 0 ? end : null;
        rows.push({
          ...general,
          since: iso(time - per),
          used,
          ...left(max, used),
          resetsAt: isoOrNull(resets),
        });
        continue;
      }
      const { start, end } = now.period;
      const used = now.count;
      rows.push({ ...general, since: iso(start), used, ...left(max, used), resetsAt: iso(end) });
      let moment = start - 1;
      for (let i = 0; i < history; i++) {
        const { period, count } = at(moment);
        moment = period.start - 1;
        if (count === 0) continue;
        rows.push({
          ...general,
          since: iso(period.start),
          used: count,
          max: null,
          remaining: null,
          resetsAt: null,
        });
      }
    }
  }

  #hash({ name, config }: Quota, who: Subject & { readonly keyId: string }, route: string): Int32Array {
    const out = new Int32Array(2);
    const x = { identity: { ...who, claims: {} } as unknown as Identity } as Exchange;
    const hasher = config.mode === 'local' ? this.#hasher : (this.#shared ?? this.#hasher);
    hasher.begin(hasher.salt(countedAs(name, config, null)));
    for (const part of compileKey(config, { name: route, service: null, paramNames: [] })) part(hasher, x);
    hasher.end(out, 0);
    return out;
  }
}

function quotasIn(named: readonly NamedLimit[], routes: readonly string[]): Quota[] {
  return named.flatMap(({ name, config }) => {
    const { algorithm, per, by, mode } = config;
    // Strict ones are counted in Redis alone.
    if (algorithm !== 'quota' || per === undefined || mode === 'strict') return [];
    if (!by.every((key) => KNOWN.has(key)) || !by.some((key) => OF_CALLER.has(key))) return [];
    return { name, config, per, routes: [...routes] };
  });
}

function keysOf(subject: Subject): (Subject & { readonly keyId: string })[] {
  return subject.keys.map(({ id, plan, roles }) => ({
    ...subject,
    plan: plan || subject.plan,
    roles: [...new Set([...subject.roles, ...roles])],
    keyId: id,
  }));
}

function mostFor(max: NamedLimit['config']['max'], roles: readonly string[]): number {
  if (typeof max !== 'object') return max as number;
  const { default: other, ...byRole } = max;
  return highestFirst(byRole).find(([role]) => roles.includes(role))?.[1] ?? (other as number);
}

function left(max: number, used: number): { max: number; remaining: number } {
  return { max, remaining: Math.max(0, max - used) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function isoOrNull(time: number | null): string | null {
  return time === null ? null : iso(time);
}
