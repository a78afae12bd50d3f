/**
 * External decision points: an HTTP service that is told who asks for what, and says yes or no. What it says holds as long
 * as it says itself, for exactly the same question.
 */
import { hash } from 'node:crypto';
import type { DecisionConfig } from '../../config/schema/auth.js';
import { DECISION_UNAVAILABLE, FORBIDDEN } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import type { CallAnswer, CallRequest } from '../../upstream/call/call.js';
import { BoundedMap } from '../bounded-map.js';
import type { Identity } from '../identity.js';
import { readAnswer } from './decision-answer.js';
import { type Denial, denied } from './demands.js';
import { requestText } from './question.js';

export type Call = (request: CallRequest) => Promise<CallAnswer>;

/** What a decision point has done since its last report. */
export interface DecisionCounts {
  readonly allowed: number;
  readonly denied: number;
  /** No usable answer: what `onError` says was done. */
  readonly failed: number;
  readonly cacheHits: number;
  /** Why the last one failed; empty when none did. */
  readonly lastFailure: string;
}

interface Known {
  readonly denial: Denial | null;
  /** Milliseconds since 1970. */
  readonly until: number;
}

const REMEMBERED = 10_000;
const MOST_ANSWER_BYTES = 64 * 1024;

const DENIED = denied(FORBIDDEN, 'decision', '');
const UNAVAILABLE = denied(DECISION_UNAVAILABLE, 'decision-unavailable', '');

export class DecisionPoint {
  readonly name: string;
  readonly #config: DecisionConfig;
  readonly #headers: readonly string[];
  readonly #call: Call;
  readonly #now: () => number;
  readonly #known = new BoundedMap<string, Known>(REMEMBERED);
  /** Questions that are being asked, by what they are remembered by. */
  readonly #asking = new Map<string, Promise<Denial | null>>();
  readonly #identities = new WeakMap<Identity, { text: string; digest: string }>();
  #counts = { allowed: 0, denied: 0, failed: 0, cacheHits: 0, lastFailure: '' };

  /** `now`: milliseconds since 1970. */
  constructor(name: string, config: DecisionConfig, call: Call, now: () => number) {
    this.name = name;
    this.#config = config;
    this.#headers = headersOf(config);
    this.#call = call;
    this.#now = now;
  }

  /** null: it agrees. Synchronous when the answer is known. Never rejects. */
  ask(x: Exchange, identity: Identity): Denial | null | Promise<Denial | null> {
    const { text, digest } = this.#about(identity);
    const request = requestText(x);
    const key = digest + request;
    const known = this.#known.get(key);
    if (known !== undefined) {
      if (known.until > this.#now()) {
        this.#counts.cacheHits++;
        return known.denial;
      }
      this.#known.delete(key);
    }
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#ask(key, `{"identity":${text},${request.slice(1)}`).finally(() =>
        this.#asking.delete(key),
      );
      this.#asking.set(key, asking);
    }
    return asking;
  }

  /** Brings and clears what was counted since the last call. */
  flush(): DecisionCounts {
    const counts = this.#counts;
    this.#counts = { allowed: 0, denied: 0, failed: 0, cacheHits: 0, lastFailure: '' };
    return counts;
  }

  async #ask(key: string, question: string): Promise<Denial | null> {
    const { url, timeout, onError, maxTtl } = this.#config;
    try {
      const askedAt = this.#now();
      const answer = await this.#call({
        method: 'POST',
        url,
        headers: this.#headers,
        body: question,
        timeoutMs: timeout,
        maxBytes: MOST_ANSWER_BYTES,
        repeatable: true,
      });
      const { allow, ttlMs } = readAnswer(answer);
      const denial = allow ? null : DENIED;
      this.#counts[allow ? 'allowed' : 'denied']++;
      const until = askedAt + Math.min(ttlMs, maxTtl);
      if (until > this.#now()) this.#known.set(key, { denial, until });
      return denial;
    } catch (error) {
      this.#counts.failed++;
      this.#counts.lastFailure = error instanceof Error ? error.message : String(error);
      return onError === 'allow' ? null : UNAVAILABLE;
    }
  }

  /** Many exchanges share an identity. Its digest stands for it in the cache: claims can be long. */
  #about(identity: Identity): { text: string; digest: string } {
    let about = this.#identities.get(identity);
    if (about === undefined) {
      const { method, provider, user, consumer, roles, scopes, claims } = identity;
      const text = JSON.stringify({ method, provider, user, consumer, roles, scopes, claims });
      about = { text, digest: hash('sha256', text, 'base64') };
      this.#identities.set(identity, about);
    }
    return about;
  }
}

/** The configuration's own come in place of ours. */
function headersOf({ headers }: DecisionConfig): string[] {
  const own = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    Buffer.from(value, 'utf8').toString('latin1'),
  ]);
  const ours = [
    ['content-type', 'application/json'],
    ['accept', 'application/json'],
  ].filter(([name]) => !own.some(([given]) => given === name));
  return [...ours, ...own].flat();
}
