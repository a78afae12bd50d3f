/** Who is calling: what every way in ends with, and the words in which it says no. */
import type { Failure } from '../errors.js';
import type { Answer, Exchange } from '../exchange.js';

/** How a caller has shown who it is. */
export type AuthMethod = 'jwt' | 'apiKey' | 'introspection' | 'session' | 'anonymous';

/** A caller that is known. Frozen and shared: many exchanges carry the same one. */
export interface Identity {
  readonly method: AuthMethod;
  /** Name of the provider in the configuration; `anonymous` for nobody in particular. */
  readonly provider: string;
  /** Empty when the credential stands for no person, as an API key does. */
  readonly user: string;
  /** Empty when the credential belongs to no consumer. */
  readonly consumer: string;
  readonly roles: readonly string[];
  /** OAuth 2.0 scopes. */
  readonly scopes: readonly string[];
  readonly plan: string;
  /** Id of the API key; empty for other methods. */
  readonly keyId: string;
  /** What the browser session is stored under; absent for other methods. */
  readonly session?: string;
  /** Claims of the token, or the like for other methods: what expressions call `claim.NAME`. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970; Infinity when it does not expire. */
  readonly expiresAt: number;
  /** Those that it was made of, when several ways in had to succeed. */
  readonly joined?: readonly Identity[];
}

/** Why a credential was not accepted. Frozen; providers share theirs among exchanges. */
export interface Refusal {
  readonly failure: Failure;
  /** Label of the metric and word of the audit line: `expired`, `signature`, `unknown-key` … */
  readonly reason: string;
}

/** null: the request carries no credential of this kind. */
export type Outcome = Identity | Refusal | null;

/** One way in, as the configuration names it. */
export interface Provider {
  readonly name: string;
  readonly method: AuthMethod;
  /** Scheme and parameters for `WWW-Authenticate` (RFC 9110 §11.6.1), without an error: `Bearer realm="sluice"`. */
  readonly challenge: string;
  /** Header that carries the credential and never goes on to a service; null when it may. Lower case. */
  readonly privateHeader: string | null;
  /** Cookie that never goes on to a service; null when there is none. */
  readonly privateCookie: string | null;
  /** The request carries two credentials of this kind. */
  isAmbiguous(x: Exchange): boolean;
  /** Synchronous whenever nothing has to be waited for. */
  authenticate(x: Exchange): Outcome | Promise<Outcome>;
  /**
   * Who it is now that was let in before, without a look at the request: where its credential may have changed since.
   * Absent: `authenticate` says it, of the same request.
   */
  again?(before: Identity): Outcome;
  /** Puts this credential in the place of the one that the request came with. Absent: there is no way to. */
  present?(x: Exchange, credential: string): void;
  /** Takes a credential out of the target and the subprotocols, where neither service nor log may see it. */
  conceal?(x: Exchange): void;
  /** For a person with a browser: the way to the login. null: it cannot be shown now. */
  invite?(x: Exchange): Promise<Answer | null>;
  /** A value of `authorization` for the service; empty: none. */
  bearerFor?(identity: Identity): string;
  /** Brings and clears what was counted since the last call. */
  flush(): ProviderCounts;
  /** No exchange uses it any more. */
  close(): void;
}

/** What a provider has done since its last report. */
export interface ProviderCounts {
  readonly accepted: number;
  /** By `Refusal.reason`. */
  readonly refused: Readonly<Record<string, number>>;
  readonly cacheHits: number;
  readonly cacheMisses: number;
}

export function isIdentity(outcome: Identity | Refusal): outcome is Identity {
  return 'method' in outcome;
}

/** A claim by its name; dots go into mappings when there is none of the whole name. */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
