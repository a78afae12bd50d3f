/** Looking again at the callers of open sockets. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AUTH_UNAVAILABLE, FORBIDDEN, INVALID_TOKEN } from '../../../src/errors.ts';
import { Exchange } from '../../../src/exchange.ts';
import type { Reviewed } from '../../../src/services/authz/review.ts';
import type { Identity } from '../../../src/services/identity.ts';
import type { OwnedSocket } from '../../../src/websocket/owners/owned-socket.ts';
import { SocketGuard } from '../../../src/websocket/owners/socket-guard.ts';
import { SocketIndex } from '../../../src/websocket/owners/sockets-by-owner.ts';

const ANN: Identity = {
  method: 'jwt',
  provider: 'players',
  user: 'ann',
  consumer: '',
  roles: [],
  scopes: [],
  plan: '',
  keyId: '',
  claims: {},
  expiresAt: Number.POSITIVE_INFINITY,
};
const UNAVAILABLE: Reviewed = { failure: AUTH_UNAVAILABLE, reason: 'unavailable' };
const REVOKED: Reviewed = { failure: INVALID_TOKEN, reason: 'revoked' };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** `answers`: of one look after the other; the last one is that of all later ones. */
function open(...answers: (Reviewed | Error)[]) {
  const index = new SocketIndex(1);
  const looks: (string | null)[] = [];
  const guard = new SocketGuard(index, () => async (_x, credential) => {
    const answer = answers[Math.min(looks.length, answers.length - 1)] as Reviewed | Error;
    looks.push(credential);
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const ends: [number, string][] = [];
  const x = new Exchange(0);
  x.identity = ANN;
  const socket: OwnedSocket = {
    x,
    kind: 'proxy',
    number: 0,
    openedAt: 0,
    messagesIn: 0,
    messagesOut: 0,
    waiting: 0,
    end: (code, reason) => {
      x.done = true;
      ends.push([code, reason]);
    },
    check: () => {},
  };
  index.add(socket);
  return { index, guard, socket, looks, ends, x };
}

const user = { kind: 'revocation', id: 'user:players:ann' } as const;

describe('a change of records', () => {
  it('is looked at for those it concerns, after everybody else who listens has heard of it', async () => {
    const { guard, looks, ends } = open({ identity: ANN, headers: null });
    guard.changed([
      { kind: 'revocation', id: 'user:players:bob' },
      { kind: 'session', id: 'ann' },
      { kind: 'used', id: 'ann' },
    ]);
    await vi.runAllTimersAsync();
    expect(looks).toHaveLength(0);
    guard.changed([user]);
    expect(looks).toHaveLength(0);
    await vi.runAllTimersAsync();
    expect(looks).toEqual([null]);
    expect(ends).toEqual([]);
  });

  it('that may be anything is looked at for all', async () => {
    const { guard, looks, ends } = open(REVOKED);
    guard.changed(null);
    await vi.runAllTimersAsync();
    expect(looks).toHaveLength(1);
    expect(ends).toEqual([[4403, 'the credentials were revoked']]);
  });

  it('finds users with colons in their names', async () => {
    const { guard, looks, x, index, socket } = open({ identity: ANN, headers: null });
    index.identify(socket, { ...ANN, user: 'a:b:c' });
    guard.changed([{ kind: 'revocation', id: 'user:players:a:b:c' }]);
    await vi.runAllTimersAsync();
    expect(looks).toHaveLength(1);
    expect(x.identity).toBe(ANN);
  });

  it('that comes while a socket is looked at has it looked at once more', async () => {
    const { guard, looks, ends } = open({ identity: ANN, headers: null }, REVOKED);
    guard.changed([user]);
    await Promise.resolve();
    guard.changed([user]);
    guard.changed([user]);
    await vi.runAllTimersAsync();
    expect(looks).toHaveLength(2);
    expect(ends).toHaveLength(1);
  });
});

describe('what cannot be found out', () => {
  it('is asked again', async () => {
    const { guard, looks, ends } = open(UNAVAILABLE, new Error('a mistake'), {
      identity: ANN,
      headers: null,
    });
    guard.changed([user]);
    await vi.runAllTimersAsync();
    expect(looks).toHaveLength(3);
    expect(ends).toEqual([]);
  });

  it('for ten seconds or so, then the socket ends with 1013', async () => {
    const { guard, looks, ends } = open(UNAVAILABLE);
    guard.changed([user]);
    await vi.advanceTimersByTimeAsync(4000);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(16_000);
    expect(looks).toHaveLength(20);
    expect(ends).toEqual([[1013, expect.any(String)]]);
  });

  it('of new credentials leaves the old ones', async () => {
    const { guard, socket, ends } = open(UNAVAILABLE);
    expect(await guard.refresh(socket, 'token')).toEqual({ ok: false, code: 'AUTH_UNAVAILABLE' });
    expect(ends).toEqual([]);
  });
});

describe('a caller', () => {
  it.each([
    ['whose credentials have expired', { failure: INVALID_TOKEN, reason: 'expired' }, 4401],
    ['who may not any more', { failure: FORBIDDEN, reason: 'condition' }, 4403],
    ['who is nobody now', { failure: FORBIDDEN, reason: 'caller' }, 4403],
  ])('%s is closed', async (_, answer, code) => {
    const { guard, ends } = open(answer);
    guard.changed([user]);
    await vi.runAllTimersAsync();
    expect(ends.map(([one]) => one)).toEqual([code]);
  });

  it('shows new credentials one at a time', async () => {
    const { guard, socket, x } = open({ identity: { ...ANN, expiresAt: 5 }, headers: ['a', 'b'] });
    const [first, second] = await Promise.all([guard.refresh(socket, '1'), guard.refresh(socket, '2')]);
    expect(first).toEqual({ ok: true, expiresAt: 5 });
    expect(second).toEqual({ ok: false, code: 'AUTH_UNDER_WAY' });
    expect(x.headers).toEqual(['a', 'b']);
  });
});
