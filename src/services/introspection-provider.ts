/** Opaque tokens: the authorisation server says what they mean (RFC 7662); the primary asks it, once for the machine. */
import type { PrimaryLink } from '../bus.js';
import type { IntrospectionConfig } from '../config/schema/auth.js';
import { AUTH_UNAVAILABLE, INVALID_TOKEN } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { BoundedMap } from './bounded-map.js';
import type { Identity, Outcome, Provider, ProviderCounts, Refusal } from './identity.js';
import { isIdentity } from './identity.js';
import type { Introspection } from './primary-answers.js';
import { ProviderCounter } from './provider-counter.js';
import { bearerOf, presentBearer, SEVERAL_TOKENS } from './tokens/bearer.js';
import { identityOf, isExpectedAudience, isTime } from './tokens/claims.js';
import * as refusals from './tokens/refusals.js';
import { LONGEST_TOKEN } from './tokens/token-form.js';

const REMEMBERED = 50_000;
/** Bad tokens have a memory of their own: a flood of them must not push out the good ones. */
const REMEMBERED_INACTIVE = 10_000;
/** RFC 6750 §2.1. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
/** How far clocks may differ, for `nbf`; the server itself has seen to `exp`. */
const SKEW_MS = 30_000;
/** Above the time that the server is given: what remains is the way to the primary. */
const MARGIN_MS = 1000;

const INACTIVE: Refusal = { failure: INVALID_TOKEN, reason: 'inactive' };
const UNAVAILABLE: Refusal = { failure: AUTH_UNAVAILABLE, reason: 'unavailable' };

export interface IntrospectionEnv {
  readonly now: () => number;
  readonly primary: PrimaryLink;
  /** Seconds since 1970: what a user was given until then is dead; 0: nothing. */
  revokedUser(user: string): number;
}

interface Known {
  readonly outcome: Identity | Refusal;
  readonly deadAt: number;
}

export class IntrospectionProvider implements Provider {
  readonly name: string;
  readonly method = 'introspection';
  readonly challenge = 'Bearer realm="sluice"';
  readonly privateHeader = null;
  readonly privateCookie = null;
  readonly #config: IntrospectionConfig;
  readonly #env: IntrospectionEnv;
  readonly #counter = new ProviderCounter();
  readonly #active = new BoundedMap<string, Known>(REMEMBERED);
  readonly #inactive = new BoundedMap<string, Known>(REMEMBERED_INACTIVE);
  readonly #asking = new Map<string, Promise<Identity | Refusal>>();

  constructor(name: string, config: IntrospectionConfig, env: IntrospectionEnv) {
    this.name = name;
    this.#config = config;
    this.#env = env;
  }

  isAmbiguous(x: Exchange): boolean {
    return bearerOf(x) === SEVERAL_TOKENS;
  }

  authenticate(x: Exchange): Outcome | Promise<Outcome> {
    const token = bearerOf(x);
    if (token === '') return null;
    if (token === SEVERAL_TOKENS) return this.#counter.refused(refusals.DUPLICATE);
    if (token.length > LONGEST_TOKEN) return this.#counter.refused(refusals.TOO_LARGE);
    const known = this.#active.get(token) ?? this.#inactive.get(token);
    if (known !== undefined && this.#env.now() < known.deadAt) {
      this.#counter.hits++;
      return this.#counter.judged(this.#withoutRevoked(known.outcome));
    }
    if (!TOKEN.test(token)) return this.#counter.refused(refusals.MALFORMED);
    this.#counter.misses++;
    return this.#ask(token).then((outcome) => this.#counter.judged(outcome));
  }

  present(x: Exchange, token: string): void {
    presentBearer(x, token);
  }

  flush(): ProviderCounts {
    return this.#counter.flush();
  }

  close(): void {}

  #ask(token: string): Promise<Identity | Refusal> {
    let asking = this.#asking.get(token);
    if (asking === undefined) {
      asking = this.#env.primary
        .ask('introspect', { provider: this.name, token }, this.#config.timeout + MARGIN_MS)
        .then(
          (answer) => this.#learn(token, answer),
          () => UNAVAILABLE,
        )
        .finally(() => this.#asking.delete(token));
      this.#asking.set(token, asking);
    }
    return asking;
  }

  #learn(token: string, answer: Introspection): Identity | Refusal {
    if (answer.state === 'unavailable') return UNAVAILABLE;
    const now = this.#env.now();
    const outcome = answer.state === 'active' ? this.#judge(answer.claims, now) : INACTIVE;
    if (isIdentity(outcome)) {
      this.#active.set(token, { outcome, deadAt: Math.min(outcome.expiresAt, now + this.#config.ttl) });
      return this.#withoutRevoked(outcome);
    }
    this.#inactive.set(token, { outcome, deadAt: now + this.#config.negativeTtl });
    return outcome;
  }

  /** What the server says is judged like a token, by the types of RFC 7662 §2.2; null is how some servers leave a member out. */
  #judge(claims: Readonly<Record<string, unknown>>, now: number): Identity | Refusal {
    const { issuer, audience } = this.#config;
    const { exp = null, nbf = null, iss, aud } = claims;
    if ((exp !== null && !isTime(exp)) || (nbf !== null && !isTime(nbf))) return refusals.CLAIMS;
    const expiresAt = exp === null ? Number.POSITIVE_INFINITY : exp * 1000;
    if (now >= expiresAt) return refusals.EXPIRED;
    if (nbf !== null && now + SKEW_MS < nbf * 1000) return refusals.NOT_YET;
    if (issuer && !(typeof iss === 'string' && issuer.includes(iss))) return refusals.ISSUER;
    if (audience && !isExpectedAudience(aud, audience)) return refusals.AUDIENCE;
    return identityOf(claims, {
      method: 'introspection',
      provider: this.name,
      claims: this.#config.claims,
      expiresAt,
    });
  }

  #withoutRevoked(outcome: Identity | Refusal): Identity | Refusal {
    if (!isIdentity(outcome) || outcome.user === '') return outcome;
    const before = this.#env.revokedUser(outcome.user);
    if (before === 0) return outcome;
    const { iat } = outcome.claims;
    return typeof iat !== 'number' || iat <= before ? refusals.REVOKED : outcome;
  }
}
