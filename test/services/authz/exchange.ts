import { Exchange } from '../../../src/exchange.ts';
import type { Identity } from '../../../src/services/identity.ts';

export function identity(parts: Partial<Identity> = {}): Identity {
  return Object.freeze({
    method: 'jwt' as const,
    provider: 'players',
    user: 'alice',
    consumer: '',
    roles: [],
    scopes: [],
    plan: '',
    keyId: '',
    claims: {},
    expiresAt: Number.POSITIVE_INFINITY,
    ...parts,
  });
}

/** A request that has come as far as the demands of its route. */
export function exchange(parts: Partial<Exchange> = {}, caller: Partial<Identity> = {}): Exchange {
  return Object.assign(new Exchange(0), {
    method: 'GET',
    path: '/orders/7',
    host: 'api.example.com',
    authority: 'api.example.com:8443',
    clientIp: '10.1.2.3',
    route: { name: 'orders', paramNames: ['id'] },
    params: ['7'],
    identity: identity(caller),
    ...parts,
  });
}
