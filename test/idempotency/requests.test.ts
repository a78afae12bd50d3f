/** The `idempotency` filter in a running gateway. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, head } from '../harness/raw-client.ts';
import { startService } from '../harness/service.ts';
import { later, order, startWorkshop, type Workshop } from './workshop.ts';

const data = mkdtempSync(join(tmpdir(), 'sluice-idempotency-'));
let workshop: Workshop;
let gateway: RunningGateway;

beforeAll(async () => {
  workshop = await startWorkshop();
  const away = await startService();
  await away.close();
  const on = { ttl: '1h' };
  gateway = await startGateway({
    data,
    workers: 2,
    services: {
      shop: { endpoints: [workshop.url], timeouts: { firstByte: '1s' } },
      away: { endpoints: [away.url] },
    },
    limits: { few: { by: ['header:x-client'], rate: '2/h' } },
    routes: [
      { name: 'do', match: { path: '/do' }, service: 'shop', idempotency: on },
      { name: 'any', match: { path: '/any/*' }, service: 'shop', idempotency: true },
      {
        name: 'must',
        match: { path: '/must' },
        service: 'shop',
        idempotency: { required: true, strict: true },
      },
      { name: 'small', match: { path: '/small' }, service: 'shop', idempotency: { maxBody: 100 } },
      { name: 'busy', match: { path: '/busy' }, service: 'shop', idempotency: { notExecuted: [503] } },
      { name: 'away', match: { path: '/away' }, service: 'away', idempotency: true },
      {
        name: 'own-headers',
        match: { path: '/own-headers' },
        service: 'shop',
        idempotency: { header: 'X-Once' },
        limit: 'few',
        headers: { response: { add: { 'x-added': 'once' } } },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await workshop?.close();
  rmSync(data, { recursive: true, force: true });
});

let keys = 0;
const newKey = () => `"key-${++keys}"`;

describe('a request with a key', () => {
  it('is executed once, and its answer repeated with all of its fields', async () => {
    const key = newKey();
    const before = workshop.executed();
    const first = await order(gateway.url, key);
    expect([first.status, first.replayed]).toEqual([201, false]);
    for (let i = 0; i < 4; i++) {
      const again = await later(gateway.url, key);
      expect([again.status, again.text, again.replayed]).toEqual([201, first.text, true]);
      expect(again.headers.get('location')).toBe(first.headers.get('location'));
      expect(again.headers.getSetCookie()).toEqual(first.headers.getSetCookie());
      expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    }
    expect(workshop.executed()).toBe(before + 1);
  });

  it('gets 409 and Retry-After while the first is under way, on whichever worker', async () => {
    const key = newKey();
    const before = workshop.executed();
    workshop.hold();
    const first = order(gateway.url, key);
    await eventually(() => (workshop.executed() > before ? true : undefined));
    const others = await Promise.all(Array.from({ length: 40 }, () => order(gateway.url, key)));
    workshop.release();
    expect(new Set(others.map(({ status, code }) => `${status} ${code}`))).toEqual(
      new Set(['409 IDEMPOTENCY_IN_FLIGHT']),
    );
    expect(others[0].headers.get('retry-after')).toBe('1');
    expect((await first).status).toBe(201);
    expect(workshop.executed()).toBe(before + 1);
  });

  it('is executed once when all come at the same moment', async () => {
    const key = newKey();
    const before = workshop.executed();
    const told = await Promise.all(Array.from({ length: 100 }, () => order(gateway.url, key)));
    expect(told.filter(({ status, replayed }) => status === 201 && !replayed)).toHaveLength(1);
    expect(told.filter(({ status }) => status !== 201 && status !== 409)).toEqual([]);
    expect(workshop.executed()).toBe(before + 1);
  });

  it.each([
    ['body', { body: 'other' }],
    ['query', { path: '/do?x=1' }],
    ['method', { method: 'PATCH' }],
    ['route', { path: '/any/do' }],
  ])('gets 422 when the key has another %s', async (_, other) => {
    const key = newKey();
    await order(gateway.url, key);
    const before = workshop.executed();
    const told = await order(gateway.url, key, other);
    expect([told.status, told.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect(workshop.executed()).toBe(before);
  });

  it('gets 422 for another body even while the first is under way', async () => {
    const key = newKey();
    const before = workshop.executed();
    workshop.hold();
    const first = order(gateway.url, key);
    await eventually(() => (workshop.executed() > before ? true : undefined));
    const told = await order(gateway.url, key, { body: 'other' });
    workshop.release();
    expect(told.status).toBe(422);
    await first;
  });

  it('may have a body without a length', async () => {
    const key = newKey();
    const before = workshop.executed();
    const request =
      head('POST', '/do', 'Transfer-Encoding: chunked', `Idempotency-Key: ${key}`) +
      '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n';
    const first = await exchangeRaw(gateway.url, request);
    expect(first.body.toString()).toMatch(/abcde$/);
    const repeated = `${head('POST', '/do', 'Content-Length: 5', `Idempotency-Key: ${key}`)}abcde`;
    const again = await eventually(async () => {
      const told = await exchangeRaw(gateway.url, repeated);
      return told.status === 409 ? undefined : told;
    });
    expect(again.header('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
    expect(workshop.executed()).toBe(before + 1);
  });

  it('may have a body of many pieces, and none', async () => {
    const body = Buffer.alloc(200_000, 'z');
    const key = newKey();
    expect((await order(gateway.url, key, { body })).text).toHaveLength(
      `done ${workshop.executed()} `.length + body.length,
    );
    expect((await later(gateway.url, key, { body })).replayed).toBe(true);
    const empty = newKey();
    expect((await order(gateway.url, empty, { body: '' })).status).toBe(201);
    expect((await later(gateway.url, empty, { body: '' })).replayed).toBe(true);
  });

  it('keeps the answer as the service gave it: what the gateway adds is added to each', async () => {
    const headers = { 'x-once': 'mine', 'x-client': 'added' };
    const first = await order(gateway.url, null, { path: '/own-headers', headers });
    const again = await later(gateway.url, null, { path: '/own-headers', headers });
    expect([first.headers.get('x-added'), again.headers.get('x-added')]).toEqual(['once', 'once']);
    expect([first.replayed, again.replayed]).toEqual([false, true]);
    // A repetition is a request, too.
    expect(again.headers.get('ratelimit')).toMatch(/r=0/);
    expect(again.headers.get('ratelimit')).not.toContain(',');
    const third = await order(gateway.url, null, { path: '/own-headers', headers });
    expect(third.status).toBe(429);
  });
});

describe('the key', () => {
  it.each([
    ['empty', '""'],
    ['too long', `"${'k'.repeat(256)}"`],
    ['without an end', '"abc'],
    ['with something behind it', '"abc" def'],
    ['with an escape that no string has', '"a\\b"'],
    ['a list', '"a", "b"'],
    ['of 3 KiB', 'k'.repeat(3000)],
  ])('is refused when it is %s', async (_, key) => {
    const before = workshop.executed();
    const told = await exchangeRaw(
      gateway.url,
      Buffer.from(`${head('POST', '/do', 'Content-Length: 1', `Idempotency-Key: ${key}`)}b`, 'latin1'),
    );
    expect([told.status, JSON.parse(told.body.toString()).code]).toEqual([400, 'IDEMPOTENCY_KEY_INVALID']);
    expect(workshop.executed()).toBe(before);
  });

  it('of 8 KiB does no harm', async () => {
    const before = workshop.executed();
    const request = `${head('POST', '/do', 'Content-Length: 1', `Idempotency-Key: "${'k'.repeat(8192)}"`)}b`;
    expect([400, 431]).toContain((await exchangeRaw(gateway.url, request)).status);
    expect(workshop.executed()).toBe(before);
  });

  it('is refused when it is there twice', async () => {
    const request = `${head('POST', '/do', 'Content-Length: 1', 'Idempotency-Key: "a"', 'Idempotency-Key: "a"')}b`;
    expect((await exchangeRaw(gateway.url, request)).status).toBe(400);
  });

  it('may be a bare word, which means the same as in quotes', async () => {
    const key = `bare-${++keys}`;
    await order(gateway.url, key);
    expect((await later(gateway.url, `"${key}"`)).replayed).toBe(true);
  });

  it('must be there where it is required, and in quotes where that is asked for', async () => {
    expect((await order(gateway.url, null, { path: '/must' })).code).toBe('IDEMPOTENCY_KEY_MISSING');
    expect((await order(gateway.url, 'bare', { path: '/must' })).code).toBe('IDEMPOTENCY_KEY_INVALID');
    expect((await order(gateway.url, newKey(), { path: '/must' })).status).toBe(201);
  });

  it('means nothing where it is not there, or for other methods', async () => {
    const before = workshop.executed();
    await order(gateway.url, null);
    await order(gateway.url, null);
    await order(gateway.url, '"put"', { method: 'PUT' });
    await order(gateway.url, '"put"', { method: 'PUT' });
    expect(workshop.executed()).toBe(before + 4);
  });
});

describe('the outcome', () => {
  it.each([400, 404, 500, 503])('is kept when the service answers %s', async (status) => {
    const key = newKey();
    const before = workshop.executed();
    const want = `status=${status}`;
    expect((await order(gateway.url, key, { want })).status).toBe(status);
    const again = await later(gateway.url, key, { want });
    expect([again.status, again.replayed]).toEqual([status, true]);
    expect(workshop.executed()).toBe(before + 1);
  });

  it('frees the key when the service says that it has done nothing', async () => {
    const key = newKey();
    const before = workshop.executed();
    expect((await order(gateway.url, key, { path: '/busy', want: 'status=503' })).status).toBe(503);
    const again = await later(gateway.url, key, { path: '/busy' });
    expect([again.status, again.replayed]).toEqual([201, false]);
    expect(workshop.executed()).toBe(before + 2);
  });

  it('frees the key when the request never left', async () => {
    const key = newKey();
    for (let i = 0; i < 3; i++) {
      // The answer may be here a moment before the key is free.
      await eventually(async () => (await order(gateway.url, key, { path: '/away' })).status === 502);
    }
  });

  it.each(['reset', 'half'])('is unknown after a "%s": never a second call', async (want) => {
    const key = newKey();
    const before = workshop.executed();
    await order(gateway.url, key, { want }).catch(() => {});
    for (let i = 0; i < 3; i++) {
      const told = await later(gateway.url, key, { want });
      expect([told.status, told.code]).toEqual([409, 'IDEMPOTENCY_OUTCOME_UNKNOWN']);
      expect(told.headers.get('retry-after')).toBeNull();
    }
    expect(workshop.executed()).toBe(before + 1);
  });

  it('is unknown after a timeout', async () => {
    const key = newKey();
    const before = workshop.executed();
    workshop.hold();
    expect((await order(gateway.url, key)).status).toBe(504);
    workshop.release();
    expect((await later(gateway.url, key)).code).toBe('IDEMPOTENCY_OUTCOME_UNKNOWN');
    expect(workshop.executed()).toBe(before + 1);
  });

  it('is followed to its end when the client leaves', async () => {
    const key = newKey();
    const before = workshop.executed();
    workshop.hold();
    const leaving = new AbortController();
    const first = order(gateway.url, key, { signal: leaving.signal });
    first.catch(() => {});
    await eventually(() => (workshop.executed() > before ? true : undefined));
    leaving.abort();
    await expect(first).rejects.toThrow();
    expect((await order(gateway.url, key)).code).toBe('IDEMPOTENCY_IN_FLIGHT');
    workshop.release();
    const told = await later(gateway.url, key);
    expect([told.status, told.replayed]).toEqual([201, true]);
    expect(workshop.executed()).toBe(before + 1);
  });

  it('is unknown when the client leaves and the service then fails', async () => {
    const key = newKey();
    const before = workshop.executed();
    workshop.hold();
    const leaving = new AbortController();
    const first = order(gateway.url, key, { want: 'reset', signal: leaving.signal });
    first.catch(() => {});
    await eventually(() => (workshop.executed() > before ? true : undefined));
    leaving.abort();
    await expect(first).rejects.toThrow();
    workshop.release();
    const told = await later(gateway.url, key, { want: 'reset' });
    expect(told.code).toBe('IDEMPOTENCY_OUTCOME_UNKNOWN');
    expect(workshop.executed()).toBe(before + 1);
  });

  it('frees nothing and takes nothing when the client leaves in the middle of its body', async () => {
    const key = newKey();
    const before = workshop.executed();
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', '/do', 'Content-Length: 10', `Idempotency-Key: ${key}`)}half`);
    client.socket.destroy();
    const told = await order(gateway.url, key);
    expect([told.status, told.replayed]).toEqual([201, false]);
    expect(workshop.executed()).toBe(before + 1);
  });
});

describe('bodies above the bound', () => {
  it('of requests get 413, with and without a length', async () => {
    const before = workshop.executed();
    const body = 'x'.repeat(101);
    const told = await order(gateway.url, newKey(), { path: '/small', body });
    expect([told.status, told.code]).toEqual([413, 'BODY_TOO_LARGE']);
    const request = `${head('POST', '/small', 'Transfer-Encoding: chunked', `Idempotency-Key: ${newKey()}`)}65\r\n${body}\r\n0\r\n\r\n`;
    expect((await exchangeRaw(gateway.url, request)).status).toBe(413);
    expect(workshop.executed()).toBe(before);
    // Only with a key.
    expect((await order(gateway.url, null, { path: '/small', body })).status).toBe(201);
  });

  it('of answers are passed on, and never asked for again', async () => {
    const key = newKey();
    const before = workshop.executed();
    const first = await order(gateway.url, key, { path: '/small', want: 'large=5000' });
    expect([first.status, first.text.length]).toEqual([201, 5000]);
    const again = await later(gateway.url, key, { path: '/small', want: 'large=5000' });
    expect([again.status, again.code]).toEqual([409, 'IDEMPOTENCY_ANSWER_NOT_KEPT']);
    expect(again.text).toContain('status 201');
    expect(workshop.executed()).toBe(before + 1);
  });
});

describe('operators', () => {
  it('see what is known of a key, and clear it', async () => {
    const key = newKey();
    await order(gateway.url, key, { want: 'reset' });
    const path = `/idempotency/${key.slice(1, -1)}`;
    const shown = await eventually(async () => {
      const asked = await gateway.ask(path);
      return asked.body.state === 'running' ? undefined : asked;
    });
    expect(shown.body).toMatchObject({ state: 'unknown', id: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const logged = await gateway.logged((line) => line.id === shown.body.id);
    expect(logged.level).toBe('warn');
    expect((await gateway.ask(`/idempotency/${shown.body.id}`)).body.state).toBe('unknown');
    expect((await gateway.ask(path, { method: 'DELETE' })).status).toBe(204);
    expect((await gateway.ask(path, { method: 'DELETE' })).status).toBe(404);
    expect((await order(gateway.url, key)).status).toBe(201);
    expect((await later(gateway.url, key)).replayed).toBe(true);
    const after = await eventually(async () => {
      const { body } = await gateway.ask(path);
      return body.state === 'running' ? undefined : body;
    });
    expect(after).toMatchObject({ state: 'done', status: 201 });
  });

  it('cannot clear a key whose request is under way', async () => {
    const key = newKey();
    const before = workshop.executed();
    workshop.hold();
    const first = order(gateway.url, key);
    await eventually(() => (workshop.executed() > before ? true : undefined));
    const path = `/idempotency/${key.slice(1, -1)}`;
    expect((await gateway.ask(path)).body.state).toBe('running');
    expect((await gateway.ask(path, { method: 'DELETE' })).status).toBe(409);
    workshop.release();
    await first;
  });

  it('see how often what happened', async () => {
    const { body } = await gateway.ask('/metrics');
    for (const result of ['executed', 'replayed', 'in_flight', 'reused', 'unknown', 'released', 'not_kept']) {
      expect(
        Number(new RegExp(`sluice_idempotency_total\\{result="${result}"\\} (\\d+)`).exec(body)?.[1]),
      ).toBeGreaterThan(0);
    }
  });
});
