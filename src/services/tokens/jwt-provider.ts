/** JSON Web Tokens, checked by RFC 8725. */
import type { JwtConfig } from '../../config/schema/auth.js';
import type { Exchange } from '../../exchange.js';
import type { Identity, Outcome, Provider, ProviderCounts, Refusal } from '../identity.js';
import { ProviderCounter } from '../provider-counter.js';
import type { VerifyPool } from '../threads/pool.js';
import { SEVERAL_TOKENS } from './bearer.js';
import { identityOf, isExpectedIssuer, judgeClaims } from './claims.js';
import type { Candidates } from './key-ring.js';
import { type KeySource, ProviderKeys } from './key-source.js';
import * as refusals from './refusals.js';
import { decodeAgain, decodeObject, isCanonical } from './strict-json.js';
import { TokenCache, type Verified } from './token-cache.js';
import { LONGEST_TOKEN, segmentsOf, type TokenHeader, TokenHeaders } from './token-form.js';
import { TokenSource } from './token-source.js';
import type { Verdict } from './verify-task.js';
import { isSignedBy } from './verifying-key.js';

export interface Revocations {
  /** Seconds since 1970: what the user was given until then is dead; 0: nothing. */
  revokedUser(provider: string, user: string): number;
  revokedToken(provider: string, jti: string): boolean;
  /** May give back how to stop listening. */
  onChange(listener: () => void): (() => void) | void;
}

export interface TokenEnv {
  /** Milliseconds since 1970. */
  now(): number;
  /** null: the keys are in the configuration. */
  readonly keys: KeySource | null;
  /** Asked for at the first token with a public-key signature. */
  readonly pool: () => VerifyPool;
  /** null: nothing can be revoked. */
  readonly revocations: Revocations | null;
}

type Judgement = Identity | Refusal;

export class JwtProvider implements Provider {
  readonly name: string;
  readonly method = 'jwt';
  readonly challenge = 'Bearer realm="sluice"';
  readonly privateHeader = null;
  readonly privateCookie = null;
  readonly #config: JwtConfig;
  readonly #env: TokenEnv;
  readonly #algorithms: ReadonlySet<string>;
  readonly #source: TokenSource;
  readonly #headers: TokenHeaders;
  readonly #cache: TokenCache;
  readonly #keys: ProviderKeys;
  readonly #counter = new ProviderCounter();
  /** Tokens under way: the same one is not verified twice at a time. */
  readonly #flights = new Map<string, Promise<Judgement>>();
  readonly #stopListening: (() => void) | void;
  /** Counts changes of keys and revocations: what was verified before is compared with them when it is next seen. */
  #state = 0;
  #closed = false;

  /** Throws an Error for people when a key of the configuration cannot be used. */
  constructor(name: string, config: JwtConfig, env: TokenEnv) {
    this.name = name;
    this.#config = config;
    this.#env = env;
    this.#algorithms = new Set(config.algorithms);
    this.#source = new TokenSource(config);
    this.#headers = new TokenHeaders(config.typ ?? null);
    this.#cache = new TokenCache(config.cache.entries);
    this.#keys = new ProviderKeys(name, config, {
      source: env.keys,
      now: env.now,
      onChange: () => this.#changed(),
    });
    this.#stopListening = env.revocations?.onChange(() => this.#changed());
  }

  isAmbiguous(x: Exchange): boolean {
    return this.#source.take(x) === SEVERAL_TOKENS;
  }

  authenticate(x: Exchange): Outcome | Promise<Outcome> {
    const token = this.#source.take(x);
    if (token === '') return null;
    if (token === SEVERAL_TOKENS) return this.#counter.refused(refusals.DUPLICATE);
    if (token.length > LONGEST_TOKEN) return this.#counter.refused(refusals.TOO_LARGE);
    const now = this.#env.now();
    const verified = this.#cache.verified(token, now);
    if (
      verified !== undefined &&
      (verified.comparedWith === this.#state || this.#isStillGood(token, verified))
    ) {
      this.#counter.hits++;
      this.#counter.accepted++;
      return verified.identity;
    }
    const refused = this.#cache.refused(token, now);
    if (refused !== undefined) {
      this.#counter.hits++;
      return this.#counter.refused(refused);
    }
    const flight = this.#flights.get(token);
    if (flight !== undefined) {
      this.#counter.hits++;
      return flight.then((judgement) => this.#counter.judged(judgement));
    }
    this.#counter.misses++;
    const judgement = this.#judge(token);
    if (!(judgement instanceof Promise)) return this.#counter.judged(judgement);
    this.#flights.set(token, judgement);
    return judgement.then(
      (late) => {
        this.#flights.delete(token);
        return this.#counter.judged(late);
      },
      (error) => {
        this.#flights.delete(token);
        throw error;
      },
    );
  }

  conceal(x: Exchange): void {
    this.#source.take(x);
  }

  present(x: Exchange, token: string): void {
    this.#source.present(x, token);
  }

  flush(): ProviderCounts {
    return this.#counter.flush();
  }

  close(): void {
    this.#closed = true;
    this.#stopListening?.();
    this.#cache.clear();
  }

  #judge(token: string): Judgement | Promise<Judgement> {
    const segments = segmentsOf(token);
    if (segments === null) return refusals.MALFORMED;
    const header = this.#headers.read(token.slice(0, segments.payloadAt - 1));
    if ('failure' in header) return header;
    if (!this.#algorithms.has(header.algorithm)) return refusals.ALGORITHM;
    const keys = this.#keys.find(header);
    if (keys === null) return this.#withoutKey(token, header);
    return 'failure' in keys ? keys : this.#verify(token, header, keys);
  }

  #verify(token: string, header: TokenHeader, keys: Candidates): Judgement | Promise<Judgement> {
    if (keys.texts.length === 0) return this.#verifyHere(token, keys);
    const { promise, resolve } = Promise.withResolvers<Judgement>();
    const { ring } = this.#keys;
    const taken = this.#env.pool().batches.verify(token, keys.texts, (verdict) => {
      // Keys may have been withdrawn meanwhile.
      if (ring === this.#keys.ring || this.#keys.ring.holds(keys))
        resolve(this.#conclude(token, header, keys, verdict));
      else resolve(this.#judge(token));
    });
    return taken ? promise : refusals.BUSY;
  }

  /** HMAC is quick enough for the worker's own thread. */
  #verifyHere(token: string, keys: Candidates): Judgement {
    const signatureAt = token.lastIndexOf('.') + 1;
    const payload = payloadOf(token);
    const now = this.#env.now();
    if (!isCanonical(token.slice(signatureAt)) || !isCanonical(payload)) {
      return this.#refuse(token, refusals.MALFORMED, now);
    }
    if (!keys.keys.some((key) => isSignedBy(key, token, signatureAt))) {
      return this.#refuse(token, refusals.SIGNATURE, now);
    }
    const claims = decodeObject(payload);
    return claims === null
      ? this.#refuse(token, refusals.MALFORMED, now)
      : this.#accept(token, keys, claims, now);
  }

  #conclude(
    token: string,
    header: TokenHeader,
    keys: Candidates,
    verdict: Verdict | 'lost',
  ): Judgement | Promise<Judgement> {
    const now = this.#env.now();
    switch (verdict) {
      case 'v':
        return this.#accept(token, keys, decodeAgain(payloadOf(token)), now);
      case 'm':
        return this.#refuse(token, refusals.MALFORMED, now);
      case 's':
        // It has not said by which key: there may be a new one.
        if (header.kid === null && !this.#keys.isQuiet) return this.#askAgain(token, header, keys);
        return this.#refuse(token, refusals.SIGNATURE, now);
      case 'lost':
        return refusals.VERIFIER_LOST;
    }
  }

  /** The signature is good. */
  #accept(token: string, keys: Candidates, claims: Record<string, unknown>, now: number): Judgement {
    const fault = judgeClaims(claims, this.#config, now);
    if (fault !== null) return this.#refuse(token, fault, now);
    // Until then it is accepted: with less, a service would be told of a caller who is already gone.
    const expiresAt = (claims.exp as number) * 1000 + this.#config.skew;
    const { claims: mapping, cache } = this.#config;
    const verified: Verified = {
      identity: identityOf(claims, { method: 'jwt', provider: this.name, claims: mapping, expiresAt }),
      keys,
      issuedAt: (claims.iat as number | undefined) ?? 0,
      tokenId: (claims.jti as string | undefined) ?? '',
      deadAt: Math.min(expiresAt, now + cache.ttl),
      comparedWith: this.#state,
    };
    if (this.#isRevoked(verified)) return this.#refuse(token, refusals.REVOKED, now);
    if (!this.#closed) this.#cache.accept(token, verified);
    return verified.identity;
  }

  #refuse(token: string, refusal: Refusal, now: number): Refusal {
    // A token that is not valid yet soon may be.
    if (refusal !== refusals.NOT_YET) this.#cache.refuse(token, refusal, now);
    return refusal;
  }

  #isRevoked({ identity, issuedAt, tokenId }: Verified): boolean {
    const { revocations } = this.#env;
    if (revocations === null) return false;
    if (tokenId !== '' && revocations.revokedToken(this.name, tokenId)) return true;
    if (identity.user === '') return false;
    const before = revocations.revokedUser(this.name, identity.user);
    return before !== 0 && issuedAt <= before;
  }

  /** Keys or revocations are not those it was verified with. */
  #isStillGood(token: string, verified: Verified): boolean {
    if (this.#keys.ring.holds(verified.keys) && !this.#isRevoked(verified)) {
      verified.comparedWith = this.#state;
      return true;
    }
    this.#cache.forget(token);
    return false;
  }

  #changed(): void {
    this.#state++;
    this.#cache.forgetRefused();
  }

  /** The issuer may have a new key: a token that could be its own waits until it has been asked. */
  #withoutKey(token: string, header: TokenHeader): Refusal | Promise<Judgement> {
    const claims = decodeObject(payloadOf(token));
    if (claims === null) return refusals.MALFORMED;
    if (!isExpectedIssuer(claims.iss, this.#config)) return refusals.ISSUER;
    if (this.#keys.isQuiet) return refusals.UNKNOWN_KEY;
    return this.#keys
      .ask(header)
      .then((keys) => ('failure' in keys ? keys : this.#verify(token, header, keys)));
  }

  /** It is not signed with any of these keys. */
  async #askAgain(token: string, header: TokenHeader, keys: Candidates): Promise<Judgement> {
    const isOurs = isExpectedIssuer(decodeObject(payloadOf(token))?.iss, this.#config);
    const others = isOurs ? await this.#keys.ask(header, keys) : refusals.SIGNATURE;
    if ('failure' in others) return this.#refuse(token, refusals.SIGNATURE, this.#env.now());
    return this.#verify(token, header, others);
  }
}

function payloadOf(token: string): string {
  return token.slice(token.indexOf('.') + 1, token.lastIndexOf('.'));
}
