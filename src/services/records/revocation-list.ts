/** Makes tokens and sessions dead before their time. */

import type { AuthConfig } from '../../config/schema/auth.js';
import type { RecordStore } from '../store/record-store.js';
import {
  type TokenRevocation,
  tokenRevocationId,
  type UserRevocation,
  userRevocationId,
} from '../store/revocations.js';
import { RecordFault } from './record-fault.js';

/** A token that names no other end is remembered this long. */
const DEFAULT_KEPT_S = 30 * 86_400;
const LARGEST_SKEW_S = 60;
const SWEEP_EVERY_S = 60;

export class RevocationList {
  readonly #store: RecordStore;
  readonly #now: () => number;
  #sweptAt = 0;

  /** `now`: milliseconds since 1970. */
  constructor(store: RecordStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /**
   * Whatever was issued to the user until now, or will be until then (seconds since 1970): a ban. Resolves with the second up to
   * which that counts.
   */
  async revokeUser(provider: string, user: string, until = 0): Promise<number> {
    const id = userRevocationId(provider, user);
    const now = this.#now();
    const stored = await this.#store.update<UserRevocation>('revocation', id, (known) => ({
      before: Math.max(known?.before ?? 0, Math.floor(now / 1000), until),
      beforeMs: Math.max(known?.beforeMs ?? 0, now, until * 1000),
    }));
    return stored?.before ?? 0;
  }

  /** Ends a ban: what is issued from now on counts. False: there is none. */
  async liftBan(provider: string, user: string): Promise<boolean> {
    const now = this.#now();
    let lifted = false;
    await this.#store.update<UserRevocation>('revocation', userRevocationId(provider, user), (known) => {
      lifted = known !== undefined && known.beforeMs > now;
      return lifted ? { before: Math.floor(now / 1000), beforeMs: now } : undefined;
    });
    return lifted;
  }

  /** One token; `until`: when it expires, in seconds since 1970. Resolves with that. */
  async revokeToken(provider: string, jti: string, until?: number): Promise<number> {
    await this.#sweep();
    const value: TokenRevocation = { until: until ?? this.#nowS() + DEFAULT_KEPT_S };
    await this.#store.put('revocation', tokenRevocationId(provider, jti), value);
    return value.until;
  }

  /** Forgets tokens that have expired by themselves, in the eyes of any clock that is accepted. */
  async #sweep(): Promise<void> {
    const now = this.#nowS();
    if (now - this.#sweptAt < SWEEP_EVERY_S) return;
    this.#sweptAt = now;
    for (const [id, { until }] of [...this.#store.list<TokenRevocation>('revocation', 'jti:')]) {
      if (until + LARGEST_SKEW_S < now) await this.#store.remove('revocation', id);
    }
  }

  #nowS(): number {
    return Math.floor(this.#now() / 1000);
  }
}

/** A typo in a provider would leave everything valid, silently. @throws RecordFault */
export function checkProvider(provider: string, providers: AuthConfig['providers']): void {
  // An API key stands for no user and is no token: it is revoked by itself.
  const known = Object.keys(providers).filter((name) => providers[name].type !== 'apiKey');
  if (known.includes(provider)) return;
  throw new RecordFault(
    'invalid',
    `provider: there is no provider of tokens or sessions "${provider}"; known: ${known.join(', ')}`,
  );
}
