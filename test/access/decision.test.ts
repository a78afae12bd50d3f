/** An external decision point that must agree: what it is told, what its answers do, and what holds when it has none. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RunningService, startService } from '../harness/service.ts';
import { type Answer, guarded, HS256, openPremises, tokenOf } from './premises.ts';

interface Point extends RunningService {
  /** The questions so far. */
  // biome-ignore lint/suspicious/noExplicitAny: its shape is what the tests assert
  readonly questions: any[];
  /** How the next ones are answered. */
  answer(request: IncomingMessage, response: ServerResponse): void;
}

async function startPoint(): Promise<Point> {
  const questions: unknown[] = [];
  const service = await startService((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      questions.push(JSON.parse(body));
      point.answer(request, response);
    });
  });
  const point: Point = Object.assign(service, {
    questions,
    answer: (_: IncomingMessage, response: ServerResponse) => void response.end('{"allow":true}'),
  });
  return point;
}

const saying =
  (body: string, headers: Record<string, string> = {}, status = 200) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status, headers).end(body);

async function open(options: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const point = await startPoint();
  const policy = { url: `${point.url}/v1/allow`, timeout: '2s', ...options };
  const premises = await openPremises({
    auth: { providers: { ours: HS256 }, decisions: { policy }, roles: { trader: ['orders:*'] } },
    routes: [
      {
        name: 'orders',
        match: { path: '/orders/:id' },
        service: 'orders',
        auth: { anyOf: ['ours'], decision: 'policy' },
      },
      guarded('/strict', { anyOf: ['ours'], roles: ['trader'], decision: 'policy' }),
      guarded('/anybody', { anyOf: ['anonymous'], decision: 'policy' }),
    ],
    ...more,
  });
  return { point, premises };
}

const token = tokenOf({ roles: ['trader'], scope: 'a', desk: 'fx' });

describe('the question', () => {
  it('says who asks for what', async () => {
    const { point, premises } = await open({ headers: { authorization: 'Bearer of-the-gateway' } });
    await premises.pass('/orders/a%20b?x=1&y=%2F', { method: 'PUT', token });
    expect(point.requests[0]).toMatchObject({
      method: 'POST',
      url: '/v1/allow',
      headers: { 'content-type': 'application/json', authorization: 'Bearer of-the-gateway' },
    });
    expect(point.questions[0]).toMatchObject({
      identity: {
        method: 'jwt',
        provider: 'ours',
        user: 'alice',
        consumer: '',
        roles: ['trader'],
        scopes: ['a'],
        claims: { desk: 'fx' },
      },
      request: {
        method: 'PUT',
        host: expect.stringContaining('127.0.0.1'),
        query: 'x=1&y=%2F',
        params: { id: 'a b' },
        client_ip: '127.0.0.1',
        scheme: 'http',
      },
      route: 'orders',
    });
    expect(JSON.stringify(point.questions)).not.toContain(token.split('.')[2]);
  });

  it('is not asked about callers whom the route turns away by itself', async () => {
    const { point, premises } = await open();
    expect((await premises.refusal('/strict')).status).toBe(401);
    expect((await premises.refusal('/strict', { token: tokenOf() })).status).toBe(403);
    expect(point.questions).toEqual([]);
  });

  it('is asked about nobody, too', async () => {
    const { point, premises } = await open();
    await premises.pass('/anybody');
    expect(point.questions[0].identity).toMatchObject({ method: 'anonymous', user: '', roles: [] });
  });
});

describe('the answer', () => {
  it.each([
    ['{"allow":true}', 200],
    ['{"result":true}', 200],
    ['{"result":{"allow":true}}', 200],
    ['{"allow":false}', 403],
    ['{"result":false}', 403],
    ['{"result":{"allow":false}}', 403],
    ['{}', 403],
    ['{"result":{}}', 403],
  ])('%s: %i', async (body, status) => {
    const { point, premises } = await open();
    point.answer = saying(body);
    const answer = await premises.ask('/orders/1', { token });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.json.code).toBe('FORBIDDEN');
    expect(premises.seen.length).toBe(status === 200 ? 1 : 0);
  });

  it.each<[string, Point['answer']]>([
    ['no JSON', saying('<html>')],
    ['no boolean', saying('{"allow":"true"}')],
    ['no mapping', saying('true')],
    ['an error', saying('{"allow":true}', {}, 500)],
    ['a redirect', saying('{"allow":true}', { location: '/' }, 302)],
    ['far too much', saying(`{"allow":true,"x":"${'x'.repeat(100_000)}"}`)],
    ['half of it', (request) => void request.socket.destroy()],
  ])('that is none (%s) is a refusal, unless the configuration fails open', async (_, answer) => {
    const { point, premises } = await open();
    point.answer = answer;
    const refused = await premises.ask('/orders/1', { token });
    expect(refused).toMatchObject({ status: 503, json: { code: 'DECISION_UNAVAILABLE' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(premises.seen).toEqual([]);
    expect((await premises.audited({ event: 'auth.denied' })).reason).toBe('decision-unavailable');

    const open_ = await open({ onError: 'allow' });
    open_.point.answer = answer;
    await open_.premises.pass('/orders/1', { token });
  });

  it('that comes too late is none', async () => {
    const { point, premises } = await open({ timeout: '50ms' });
    const waiting: ServerResponse[] = [];
    point.answer = (_, response) => void waiting.push(response);
    onTestFinished(() => waiting.forEach((response) => void response.destroy()));
    const startedAt = performance.now();
    expect(await premises.refusal('/orders/1', { token })).toMatchObject({ status: 503 });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    // The next question has the whole time again.
    point.answer = saying('{"allow":true}');
    await premises.pass('/orders/1', { token });
  });

  it('is not there when nobody listens', async () => {
    const { point, premises } = await open();
    await point.close();
    expect(await premises.refusal('/orders/1', { token })).toMatchObject({ status: 503 });
  });

  it('of a decision point that is slow holds up nobody else', async () => {
    const { point, premises } = await open({ timeout: '5s' }, { accessLog: 'off' });
    const waiting: ServerResponse[] = [];
    point.answer = (_, response) => void waiting.push(response);
    const slow = premises.ask('/orders/1', { token });
    expect((await premises.refusal('/strict')).status).toBe(401);
    while (waiting.length === 0) await new Promise(setImmediate);
    waiting[0].end('{"allow":true}');
    expect((await slow).status).toBe(200);
  });
});

describe('an answer that says for how long it holds', () => {
  const asked = async (body: string, headers = {}, options = {}) => {
    const { point, premises } = await open(options);
    point.answer = saying(body, headers);
    for (let i = 0; i < 3; i++) await premises.ask('/orders/1', { token });
    return point.questions.length;
  };

  it.each<[string, Record<string, string>, number]>([
    ['{"allow":true,"ttl":60}', {}, 1],
    ['{"allow":false,"ttl":60}', {}, 1],
    ['{"result":{"allow":true,"ttl":60}}', {}, 1],
    ['{"allow":true}', { 'cache-control': 'max-age=60' }, 1],
    ['{"allow":true}', {}, 3],
    ['{"allow":true,"ttl":0}', {}, 3],
    ['{"allow":true}', { 'cache-control': 'no-store, max-age=60' }, 3],
  ])('%s %j: three requests are %i questions', async (body, headers, questions) => {
    expect(await asked(body, headers)).toBe(questions);
  });

  it('is not believed for longer than maxTtl', async () => {
    expect(await asked('{"allow":true,"ttl":60}', {}, { maxTtl: 0 })).toBe(3);
  });

  it('holds for the same caller, method, path and query only', async () => {
    const { point, premises } = await open();
    point.answer = saying('{"allow":true,"ttl":60}');
    await premises.pass('/orders/1', { token });
    await premises.pass('/orders/1', { token: tokenOf({ sub: 'bob' }) });
    await premises.pass('/orders/1', { token, method: 'PUT' });
    await premises.pass('/orders/2', { token });
    await premises.pass('/orders/1?x=1', { token });
    await premises.pass('/orders/1', { token, headers: { host: 'other.example.com' } });
    expect(point.questions).toHaveLength(6);
    await premises.pass('/orders/1', { token });
    expect(point.questions).toHaveLength(6);
  });
});

it('many requests at once for the same decision are one question', async () => {
  const { point, premises } = await open();
  const waiting: ServerResponse[] = [];
  point.answer = (_, response) => void waiting.push(response);
  const asked: Promise<Answer>[] = [];
  for (let i = 0; i < 20; i++) asked.push(premises.ask('/orders/1', { token }));
  while (waiting.length === 0) await new Promise(setImmediate);
  // All of them have arrived when one that came later is answered.
  await premises.refusal('/strict');
  for (const response of waiting) response.end('{"allow":true}');
  const answers = await Promise.all(asked);
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(point.questions.length).toBeLessThanOrEqual(2);
});
