/** What a route does for its adaptive limits besides counting: says in the log what was decided, and notices how requests end. */
import type { Exchange } from '../../../exchange.js';
import type { Log } from '../../../observe/log.js';
import type { Env, Stage, Step } from '../../../pipeline.js';
import { compileKey, type KeyPart, needsIdentity } from '../key-parts.js';
import { Limit } from '../limit.js';
import type { LimitMemory } from '../memory.js';
import type { NamedLimit } from '../plans/named-limits.js';
import { Adaptive, type AdaptiveEvent } from './adaptive.js';
import { adaptiveOptions, isOnTrial } from './options.js';

/** Decisions about keys since the last report. */
export interface AdaptiveCounts {
  throttled: number;
  kept: number;
  released: number;
}

export interface WatchEnv {
  readonly memory: LimitMemory;
  readonly log: Log;
  /** By the limit's name. */
  readonly decided: (limit: string) => AdaptiveCounts;
}

interface Watched {
  readonly name: string;
  readonly config: NamedLimit['config'];
  readonly limit: Limit;
  readonly parts: readonly KeyPart[];
}

const MOST_TEXT = 256;

export class AdaptiveWatch {
  /** Step 7, if a limit has an eye on errors. */
  readonly onDone: Step | null;
  readonly #env: WatchEnv;
  readonly #watched: readonly Watched[];
  readonly #hash = new Int32Array(2);

  constructor(limits: readonly NamedLimit[], env: WatchEnv, route: Env['route']) {
    this.#env = env;
    this.#watched = limits.map(({ name, config }) => ({
      name,
      config,
      limit: new Limit(name, config, env.memory),
      parts: compileKey(config, route),
    }));
    const byErrors = this.#watched.filter(({ config }) => adaptiveOptions(config).signals.includes('errors'));
    this.onDone = byErrors.length === 0 ? null : (x) => this.#ended(x, byErrors);
  }

  /** The stage with the telling of what it has brought about. */
  telling(check: Stage): Stage {
    const { events } = this.#env.memory.adaptive;
    return (x) => {
      const verdict = check(x);
      while (events.length > 0) this.#tell(events.shift() as AdaptiveEvent, x);
      return verdict;
    };
  }

  #ended(x: Exchange, watched: readonly Watched[]): void {
    const { status } = x;
    // 429 is what limits say, 499 is nobody's mistake, and what services fail in is not the key's.
    if (status < 400 || status > 498 || status === 429) return;
    for (const one of watched) {
      // Nobody has told who it is, so nobody was counted.
      if (x.identity === null && needsIdentity(one.config)) continue;
      this.#hashOf(one, x);
      const { algorithm } = one.limit.variant([]);
      if (algorithm instanceof Adaptive) algorithm.failed(this.#hash[0] as number, this.#hash[1] as number);
    }
  }

  #tell({ limit, decision, h1, h2, opinion }: AdaptiveEvent, x: Exchange): void {
    const one = this.#watched.find(({ name }) => name === limit);
    this.#env.decided(limit)[decision]++;
    const isOurs = one !== undefined && this.#isKeyOf(one, x, h1, h2);
    const { floor, windows } =
      one === undefined ? { floor: undefined, windows: 0 } : adaptiveOptions(one.config);
    const line = {
      limit,
      decision,
      shadow: one && isOnTrial(one.config),
      // Tells keys apart in the log, until the gateway is started again.
      key: (h1 >>> 0).toString(16).padStart(8, '0') + (h2 >>> 0).toString(16).padStart(8, '0'),
      by: isOurs ? namesOf(one.config.by, x) : undefined,
      signal: opinion.signal ?? undefined,
      now: figure(opinion.now),
      usual: figure(opinion.usual),
      deviation: figure(opinion.deviation),
      threshold: figure(opinion.threshold),
      score: figure(opinion.score),
      ...(decision !== 'released' && {
        floorPerSecond: floor && figure((1000 * floor.count) / floor.periodMs),
        forSeconds: windows,
      }),
      request_id: isOurs ? x.id : undefined,
    };
    if (decision === 'released') this.#env.log.info(line, 'adaptive limit: key released');
    else this.#env.log.warn(line, `adaptive limit: key ${decision === 'kept' ? 'stays' : 'is'} throttled`);
  }

  #isKeyOf(one: Watched, x: Exchange, h1: number, h2: number): boolean {
    this.#hashOf(one, x);
    return this.#hash[0] === h1 && this.#hash[1] === h2;
  }

  #hashOf({ limit, parts }: Watched, x: Exchange): void {
    const { hasher, salt } = limit.variant([]);
    hasher.begin(salt);
    for (const part of parts) part(hasher, x);
    hasher.end(this.#hash, 0);
  }
}

/** Who it is, in the words of the audit log: of an API key its id. What clients make up themselves is not shown. */
function namesOf(by: readonly string[], x: Exchange): Readonly<Record<string, string | undefined>> {
  const shown = (part: string): string | undefined => {
    switch (part) {
      case 'ip':
        return x.clientIp;
      case 'user':
        return x.identity?.user;
      case 'consumer':
        return x.identity?.consumer;
      case 'apiKey':
        return x.identity?.keyId;
      case 'role':
        return x.identity?.roles.join(' ');
      case 'route':
        return x.route?.name;
      case 'service':
        return x.route?.service?.name;
      case 'global':
        return 'all';
      default:
        return '[hidden]';
    }
  };
  return Object.fromEntries(by.map((part) => [part, shown(part)?.slice(0, MOST_TEXT) || '[none]']));
}

function figure(value: number): number {
  return Math.round(value * 1000) / 1000;
}
