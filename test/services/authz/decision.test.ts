/** External decision points, over real sockets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DecisionConfig } from '../../../src/config/schema/auth.ts';
import { DECISION_UNAVAILABLE, FORBIDDEN } from '../../../src/errors.ts';
import type { Exchange } from '../../../src/exchange.ts';
import { type Call, DecisionPoint } from '../../../src/services/authz/decision.ts';
import type { Denial } from '../../../src/services/authz/demands.ts';
import type { Identity } from '../../../src/services/identity.ts';
import { type Caller, createCaller } from '../../../src/upstream/call/call.ts';
import { eventually } from '../../harness/eventually.ts';
import { ok, type ScriptedService, startScriptedService } from '../../harness/scripted-service.ts';
import { exchange } from './exchange.ts';

let service: ScriptedService;
let call: Caller;
let now = 1_700_000_000_000;

beforeEach(async () => {
  service = await startScriptedService();
  call = createCaller();
});
afterEach(async () => {
  call.close();
  await service.close();
});

function point(options: Partial<DecisionConfig> = {}, caller: Call = call): DecisionPoint {
  const config = {
    url: `${service.url}/ask`,
    timeout: 5000,
    onError: 'deny',
    maxTtl: 60_000,
    headers: {},
  } as const;
  return new DecisionPoint('policy', { ...config, ...options }, caller, () => now);
}

function says(body: unknown, ...fields: string[]): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  service.on('/ask', async (socket, request) => {
    await request.whole;
    socket.write(ok(text, ...fields));
  });
}

function ask(decision: DecisionPoint, x: Exchange = exchange()): Denial | null | Promise<Denial | null> {
  return decision.ask(x, x.identity as Identity);
}

const asked = () => service.to('/ask').length;

describe('a decision point', () => {
  it('is told who asks for what', async () => {
    says({ allow: true });
    const decision = point({ headers: { Authorization: 'Bearer pdp', accept: 'application/vnd.x+json' } });
    const x = exchange(
      { query: 'a=1', params: ['J%C3%BCrgen'], scheme: 'https' },
      { roles: ['trader'], scopes: ['a'], consumer: 'acme', claims: { sub: 'alice', desk: { name: 'fx' } } },
    );
    expect(await ask(decision, x)).toBeNull();
    const [request] = service.to('/ask');
    expect(request.method).toBe('POST');
    expect(request.header('authorization')).toBe('Bearer pdp');
    expect(request.all('accept')).toEqual(['application/vnd.x+json']);
    expect(request.header('content-type')).toBe('application/json');
    expect(JSON.parse(request.body.toString())).toEqual({
      identity: {
        method: 'jwt',
        provider: 'players',
        user: 'alice',
        consumer: 'acme',
        roles: ['trader'],
        scopes: ['a'],
        claims: { sub: 'alice', desk: { name: 'fx' } },
      },
      request: {
        method: 'GET',
        path: '/orders/7',
        host: 'api.example.com',
        query: 'a=1',
        params: { id: 'Jürgen' },
        client_ip: '10.1.2.3',
        scheme: 'https',
      },
      route: 'orders',
    });
  });

  it.each([
    [{ allow: true }, true],
    [{ allow: false }, false],
    [{ result: true }, true],
    [{ result: false }, false],
    [{ result: { allow: true } }, true],
    [{ result: { allow: false } }, false],
    [{ result: {} }, false],
    [{}, false],
    [{ allow: false, result: true }, false],
  ])('that answers %j allows: %s', async (answer, allowed) => {
    says(answer);
    const denial = await ask(point({ onError: 'allow' }));
    expect(denial).toEqual(
      allowed ? null : { failure: FORBIDDEN, reason: 'decision', detail: '', missingScope: '' },
    );
  });

  it.each([
    '',
    'true',
    '[]',
    '{"allow":"true"}',
    '{"allow":1}',
    '{"result":"yes"}',
    '{"allow":null,"result":null}',
    '<html>',
  ])('that answers %j says nothing', async (answer) => {
    says(answer);
    const denial = await ask(point());
    expect(denial).toEqual({
      failure: DECISION_UNAVAILABLE,
      reason: 'decision-unavailable',
      detail: '',
      missingScope: '',
    });
    expect(await ask(point({ onError: 'allow' }))).toBeNull();
  });

  it('that answers with another status than 200 says nothing', async () => {
    service.on('/ask', async (socket, request) => {
      await request.whole;
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 14\r\n\r\n{"allow":true}');
    });
    expect((await ask(point()))?.reason).toBe('decision-unavailable');
    expect(await ask(point({ onError: 'allow' }))).toBeNull();
  });

  it('that is too slow or gone says nothing', async () => {
    service.on('/ask', () => {});
    const decision = point({ timeout: 10 });
    const startedAt = performance.now();
    expect((await ask(decision))?.failure).toBe(DECISION_UNAVAILABLE);
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(decision.flush()).toMatchObject({
      failed: 1,
      lastFailure: `127.0.0.1:${service.port}: no answer within 10 ms`,
    });
    await service.close();
    expect((await ask(decision))?.failure).toBe(DECISION_UNAVAILABLE);
    expect(decision.flush().lastFailure).toContain('ECONNREFUSED');
  });

  it('is asked again after it failed, also when the call fails at once', async () => {
    let works = false;
    const decision = point({}, (request) => {
      if (!works) throw new Error('no connection');
      return call(request);
    });
    says({ allow: true });
    expect((await ask(decision))?.reason).toBe('decision-unavailable');
    works = true;
    expect(await ask(decision)).toBeNull();
  });
});

describe('what it says', () => {
  it('holds as long as it says, then it is asked again', async () => {
    says({ allow: true, ttl: 10 });
    const decision = point();
    expect(await ask(decision)).toBeNull();
    now += 9_999;
    expect(ask(decision)).toBeNull();
    says({ allow: false, ttl: 10 });
    now += 1;
    expect((await ask(decision))?.reason).toBe('decision');
    expect(ask(decision)).toMatchObject({ reason: 'decision' });
    expect(asked()).toBe(2);
    expect(decision.flush()).toEqual({ allowed: 1, denied: 1, failed: 0, cacheHits: 2, lastFailure: '' });
    expect(decision.flush()).toEqual({ allowed: 0, denied: 0, failed: 0, cacheHits: 0, lastFailure: '' });
  });

  it('holds no longer than maxTtl', async () => {
    says({ allow: true, ttl: 3600 });
    const decision = point({ maxTtl: 5000 });
    await ask(decision);
    now += 4999;
    await ask(decision);
    expect(asked()).toBe(1);
    now += 1;
    await ask(decision);
    expect(asked()).toBe(2);
  });

  it.each([
    [{ allow: true }, [], 0],
    [{ allow: true, ttl: 0 }, [], 0],
    [{ allow: true, ttl: -5 }, [], 0],
    [{ allow: true, ttl: '10' }, [], 0],
    [{ result: { allow: true, ttl: 10 } }, [], 10],
    [{ result: true, ttl: 10 }, [], 10],
    [{ allow: true }, ['Cache-Control: private, Max-Age=10'], 10],
    [{ allow: true, ttl: 2 }, ['Cache-Control: max-age=10'], 2],
    [{ allow: true }, ['Cache-Control: max-age=10, no-store'], 0],
    [{ allow: true }, ['Cache-Control: no-cache, max-age=10'], 0],
    [{ allow: true }, ['Cache-Control: max-age=ten'], 0],
    [{ allow: true }, ['Cache-Control: max-age=10, max-age=20'], 0],
  ])('%j with %j holds for %i seconds', async (answer, fields, seconds) => {
    says(answer, ...fields);
    const decision = point();
    await ask(decision);
    now += Math.max(0, seconds * 1000 - 1);
    await ask(decision);
    expect(asked()).toBe(seconds === 0 ? 2 : 1);
    now += 1;
    await ask(decision);
    expect(asked()).toBe(seconds === 0 ? 3 : 2);
  });

  it('holds for exactly the same question', async () => {
    says({ allow: true, ttl: 10 });
    const decision = point();
    const others: [Partial<Exchange>, Partial<Identity>][] = [
      [{}, {}],
      [{ method: 'DELETE' }, {}],
      [{ path: '/orders/8' }, {}],
      [{ query: 'a=1' }, {}],
      [{ host: 'other.example.com' }, {}],
      [{ params: ['8'] }, {}],
      [{ clientIp: '10.1.2.4' }, {}],
      [{ scheme: 'https' }, {}],
      [{}, { user: 'bob' }],
      [{}, { roles: ['admin'] }],
      [{}, { provider: 'partners' }],
      [{}, { claims: { level: 2 } }],
    ];
    for (const [parts, caller] of others) await ask(decision, exchange(parts, caller));
    expect(asked()).toBe(others.length);
    // Identities are made anew: what they say counts.
    for (const [parts, caller] of others) expect(ask(decision, exchange(parts, caller))).toBeNull();
    expect(asked()).toBe(others.length);
  });

  it('is not remembered when there was no answer', async () => {
    says('nonsense');
    const decision = point();
    await ask(decision);
    says({ allow: true });
    expect(await ask(decision)).toBeNull();
  });
});

it('many that ask the same at once ask once', async () => {
  const waiting: (() => void)[] = [];
  service.on('/ask', (socket) => void waiting.push(() => socket.write(ok('{"allow":true}'))));
  const decision = point();
  const answers = Array.from({ length: 100 }, () => ask(decision));
  const other = ask(decision, exchange({}, { user: 'bob' }));
  await eventually(() => waiting.length === 2);
  for (const answer of waiting) answer();
  expect(new Set(await Promise.all([...answers, other]))).toEqual(new Set([null]));
  expect(asked()).toBe(2);
});
