/** A login that has begun: kept by the browser, sealed, so that any machine can end it. */
import { randomBytes } from 'node:crypto';
import type { RecordStore } from '../../services/store/record-store.js';
import { seal, unseal } from './sealed.js';

export const LOGIN_COOKIE = '__Host-sluice-login';
const LIFETIME_S = 600;

export interface Transaction {
  readonly provider: string;
  readonly state: string;
  readonly nonce: string;
  /** Of PKCE (RFC 7636). */
  readonly verifier: string;
  readonly redirectUri: string;
  readonly returnTo: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Opens and closes the cookies of logins, with a key that all machines share. */
export class Transactions {
  readonly #store: RecordStore;
  readonly #now: () => number;

  constructor(store: RecordStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** `Set-Cookie` for it. */
  async keep(transaction: Transaction): Promise<string> {
    const value = seal(JSON.stringify(transaction), await this.#key(), LOGIN_COOKIE);
    return loginCookie(value, LIFETIME_S);
  }

  /** null: not ours, of another provider, or too old. */
  async recall(cookie: string, provider: string): Promise<Transaction | null> {
    const text = cookie === '' ? null : unseal(cookie, await this.#key(), LOGIN_COOKIE);
    if (text === null) return null;
    const transaction = JSON.parse(text) as Transaction;
    const age = this.#now() - transaction.startedAt;
    return transaction.provider === provider && age < LIFETIME_S * 1000 ? transaction : null;
  }

  async #key(): Promise<Buffer> {
    const fresh = () => ({ key: randomBytes(32).toString('base64url') });
    const stored =
      this.#store.get<{ key: string }>('secret', 'login') ??
      (await this.#store.update<{ key: string }>('secret', 'login', (now) => now ?? fresh()));
    return Buffer.from((stored as { key: string }).key, 'base64url');
  }
}

export const NO_LOGIN_COOKIE = loginCookie('', 0);

function loginCookie(value: string, maxAgeS: number): string {
  return `${LOGIN_COOKIE}=${value}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=${maxAgeS}`;
}
