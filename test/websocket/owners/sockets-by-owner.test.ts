/** Sockets are found by whose they are, without a search. */
import { describe, expect, it } from 'vitest';
import type { Route } from '../../../src/config/build.ts';
import { Exchange } from '../../../src/exchange.ts';
import type { Identity } from '../../../src/services/identity.ts';
import type { OwnedSocket } from '../../../src/websocket/owners/owned-socket.ts';
import { SocketIndex } from '../../../src/websocket/owners/sockets-by-owner.ts';

const NOBODY: Identity = {
  method: 'jwt',
  provider: 'players',
  user: '',
  consumer: '',
  roles: [],
  scopes: [],
  plan: '',
  keyId: '',
  claims: {},
  expiresAt: Number.POSITIVE_INFINITY,
};

function socketOf(identity: Partial<Identity> | null, route = 'game'): OwnedSocket {
  const x = new Exchange(0);
  x.route = { name: route } as Route;
  x.identity = identity && { ...NOBODY, ...identity };
  return {
    x,
    kind: 'proxy',
    number: 0,
    openedAt: 0,
    messagesIn: 0,
    messagesOut: 0,
    waiting: 0,
    end: () => {},
    check: () => {},
  };
}

describe('a socket', () => {
  it('is found by all that its identity says, and no more once it is gone', () => {
    const index = new SocketIndex(1);
    const socket = socketOf({
      user: 'ann',
      consumer: 'acme',
      keyId: 'k1',
      session: 's1',
      roles: ['trader', 'admin'],
      claims: { jti: 't1' },
    });
    index.add(socket);
    const places = [
      ['user', 'ann'],
      ['consumer', 'acme'],
      ['key', 'k1'],
      ['session', 's1'],
      ['token', 't1'],
      ['role', 'trader'],
      ['role', 'admin'],
      ['route', 'game'],
    ] as const;
    for (const [facet, value] of places) expect(index.of(facet, value)).toEqual([socket]);
    expect(index.of('user', 'acme')).toEqual([]);
    expect(index.remove(socket)).toBe(true);
    expect(index.remove(socket)).toBe(false);
    for (const [facet, value] of places) expect(index.of(facet, value)).toEqual([]);
    expect(index.size).toBe(0);
  });

  it('is found by each of the identities that let it in together', () => {
    const index = new SocketIndex(1);
    const parts = [
      { ...NOBODY, user: 'ann', claims: { jti: 't1' } },
      { ...NOBODY, method: 'apiKey' as const, provider: 'partners', consumer: 'acme', keyId: 'k1' },
    ];
    const socket = socketOf({ user: 'ann', consumer: 'acme', keyId: 'k1', joined: parts });
    index.add(socket);
    for (const [facet, value] of [
      ['user', 'ann'],
      ['token', 't1'],
      ['key', 'k1'],
      ['consumer', 'acme'],
    ] as const) {
      expect(index.of(facet, value)).toEqual([socket]);
    }
  });

  it('is found by its new roles when it is known by another identity, and tells who listens', () => {
    const index = new SocketIndex(1);
    let told = 0;
    const socket = { ...socketOf({ user: 'ann', roles: ['trader'] }), onIdentity: () => told++ };
    index.add(socket);
    index.identify(socket, { ...NOBODY, user: 'ann', roles: ['viewer'] });
    expect(index.of('role', 'trader')).toEqual([]);
    expect(index.of('role', 'viewer')).toEqual([socket]);
    expect(index.of('user', 'ann')).toEqual([socket]);
    expect(told).toBe(1);
    index.remove(socket);
    index.identify(socket, NOBODY);
    expect(told).toBe(1);
    expect(index.of('role', 'viewer')).toEqual([]);
  });
});

describe('many sockets of one user', () => {
  it('come in the order in which they were opened, also when some have gone', () => {
    const index = new SocketIndex(1);
    const sockets = Array.from({ length: 5 }, () => socketOf({ user: 'ann' }));
    for (const socket of sockets) index.add(socket);
    index.add(socketOf({ user: 'bob' }));
    index.remove(sockets[1] as OwnedSocket);
    index.identify(sockets[0] as OwnedSocket, { ...NOBODY, user: 'ann', roles: ['r'] });
    expect(index.of('user', 'ann').map(({ number }) => number)).toEqual([1, 3, 4, 5]);
    expect(index.of('route', 'game')).toHaveLength(5);
  });
});

describe('ids', () => {
  it('lead back to the socket, and to none of another life or worker', () => {
    const index = new SocketIndex(2);
    const other = new SocketIndex(2);
    for (const one of [index, other]) for (let i = 0; i < 40; i++) one.add(socketOf(null));
    const socket = index.get(37) as OwnedSocket;
    const id = index.idOf(socket);
    expect(id).toMatch(/^2-[0-9a-f]{10}-11$/);
    expect(index.get(index.numberIn(id))).toBe(socket);
    expect(other.numberIn(id)).toBe(0);
    for (const bad of [
      '',
      '2',
      id.replace('2-', '3-'),
      `${id.slice(0, -2)}`,
      `${id.slice(0, -2)}-1`,
      `${id}!`,
    ]) {
      expect(index.numberIn(bad)).toBe(0);
    }
  });
});
