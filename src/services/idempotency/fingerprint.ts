/** What keys and requests are known by: hashes, so that no store holds what clients sent. */
import { createHash } from 'node:crypto';
import type { Exchange } from '../../exchange.js';
import type { Identity } from '../identity.js';

/** Whose keys they are. */
export interface Caller {
  readonly provider: string;
  readonly user: string;
  readonly consumer: string;
  /** Only for credentials that stand for nobody else. */
  readonly keyId: string;
}

/** Callers without a name share their keys. */
export function callerOf(identity: Identity | null): Caller {
  if (identity === null) return NOBODY;
  const { provider, user, consumer, keyId } = identity;
  return { provider, user, consumer, keyId: user === '' && consumer === '' ? keyId : '' };
}

const NOBODY: Caller = { provider: '', user: '', consumer: '', keyId: '' };

/** Two callers never meet, whatever keys they choose. */
export function keyId({ provider, user, consumer, keyId }: Caller, key: string): string {
  return sha256(JSON.stringify(['key', provider, user, consumer, keyId, key]));
}

/** The same for the same request of the same caller. The body is whole. */
export function fingerprintOf(x: Exchange, route: string, caller: string): string {
  const body = x.body?.whole ?? '';
  return sha256(JSON.stringify([x.method, route, x.host, x.path, x.query, caller, sha256(body)]));
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
