/** Tokens and sessions that are dead before their time. */
import type { RecordReader } from './record-store.js';
import type { StoreWatch } from './store-watch.js';

/** Id `user:<provider>:<user>`: what was issued to the user at or before this second is dead. */
export interface UserRevocation {
  readonly before: number;
  /** The same to the millisecond, for what knows its time as well. */
  readonly beforeMs: number;
}

/** Id `jti:<provider>:<jti>`. After `until`, in seconds since 1970, the token is dead by itself. */
export interface TokenRevocation {
  readonly until: number;
}

export function userRevocationId(provider: string, user: string): string {
  return `user:${provider}:${user}`;
}

export function tokenRevocationId(provider: string, jti: string): string {
  return `jti:${provider}:${jti}`;
}

/** For whoever checks tokens and sessions. */
export interface Revocations {
  /** What was issued to the user at or before this second is dead. Seconds since 1970; 0: never. */
  revokedUser(provider: string, user: string): number;
  revokedToken(provider: string, jti: string): boolean;
  /** Some were added or went. */
  onChange(listener: () => void): void;
}

export class StoredRevocations implements Revocations {
  readonly #reader: RecordReader;
  readonly #watch: StoreWatch;

  constructor(reader: RecordReader, watch: StoreWatch) {
    this.#reader = reader;
    this.#watch = watch;
  }

  revokedUser(provider: string, user: string): number {
    return this.#reader.get<UserRevocation>('revocation', userRevocationId(provider, user))?.before ?? 0;
  }

  /** The same in milliseconds: tokens know seconds, sessions more. */
  revokedUserMs(provider: string, user: string): number {
    return this.#reader.get<UserRevocation>('revocation', userRevocationId(provider, user))?.beforeMs ?? 0;
  }

  revokedToken(provider: string, jti: string): boolean {
    return this.#reader.get<TokenRevocation>('revocation', tokenRevocationId(provider, jti)) !== undefined;
  }

  /** Gives back how to stop listening. */
  onChange(listener: () => void): () => void {
    return this.#watch.listen((changes) => {
      if (changes === null || changes.some(({ kind }) => kind === 'revocation')) listener();
    });
  }
}
