/** Keys, consumers and revocations over the admin API, with a real store behind it. */
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ControlPlane, Records } from '../../../src/control/admin/endpoint.ts';
import { AdminServer } from '../../../src/control/admin/server.ts';
import { createLog } from '../../../src/observe/log.ts';
import { ApiKeys } from '../../../src/services/records/api-keys.ts';
import { Consumers } from '../../../src/services/records/consumers.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import type { AdminAnswer } from '../../harness/gateway.ts';
import { startRedis } from '../../harness/redis.ts';
import { storeFolder } from '../../services/store/store-folder.ts';

let records: Records | null;
let audited: Record<string, unknown>[];
let sessionsEnded: string[];
let url: string;
let logged: string[];

beforeEach(async () => {
  records = await open(null);
  audited = [];
  sessionsEnded = [];
  logged = [];
  const log = createLog({ write: (line) => void logged.push(line) }, 'info', {});
  const server = new AdminServer(plane(), log);
  url = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
  onTestFinished(() => server.close());
});

async function open(redis: string | null): Promise<Records> {
  const store = await openStore({ data: storeFolder(), redis, now: Date.now });
  onTestFinished(() => store.close());
  return { store, keys: new ApiKeys(store), consumers: new Consumers(store) };
}

/** The part of the gateway that these endpoints ask. */
function plane(): ControlPlane {
  return {
    inForce: () => ({ config: { admin: { token: null }, auth: { providers: { players: {} } } } }),
    records: () => records,
    audit: (event: Record<string, unknown>) => void audited.push(event),
    revokeUser: async (provider: string, user: string) => sessionsEnded.push(`${provider} ${user}`),
  } as unknown as ControlPlane;
}

async function ask(method: string, path: string, body?: unknown): Promise<AdminAnswer> {
  const answer = await fetch(url + path, {
    method,
    ...(body !== undefined && {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  return { status: answer.status, body: await answer.json(), headers: answer.headers };
}

const remote = expect.stringContaining('127.0.0.1');

describe('/keys', () => {
  it('makes, shows, lists, rotates and revokes keys, and notes who did', async () => {
    const wish = {
      consumer: 'acme',
      env: 'test',
      name: 'ci',
      roles: ['trader'],
      scopes: ['read'],
      plan: 'gold',
      networks: ['10.0.0.0/8'],
      expires: '90d',
    };
    const made = await ask('POST', '/keys', wish);
    expect(made.status).toBe(201);
    const { key, consumerCreated, ...view } = made.body;
    expect(made.headers.get('location')).toBe(`/keys/${view.id}`);
    expect(consumerCreated).toBe(true);
    expect(key.startsWith(`sluice_test_${view.id}_`)).toBe(true);
    const { expires, ...same } = wish;
    expect(view).toMatchObject({ ...same, state: 'active' });
    expect(Date.parse(view.expiresAt) - Date.now()).toBeGreaterThan(89 * 86_400_000);

    expect(await ask('GET', `/keys/${view.id}`)).toMatchObject({ status: 200, body: view });
    expect((await ask('GET', '/keys')).body).toEqual({ keys: [view] });
    expect((await ask('GET', '/keys?consumer=other')).body).toEqual({ keys: [] });

    const rotated = await ask('POST', `/keys/${view.id}/rotate`, { grace: '1h' });
    expect(rotated.status).toBe(200);
    expect(rotated.body.key).not.toBe(key);
    expect(rotated.body.secrets).toHaveLength(2);
    expect((await ask('POST', `/keys/${view.id}/rotate`)).body.secrets).toHaveLength(2);

    expect((await ask('POST', `/keys/${view.id}/revoke`)).body).toMatchObject({ state: 'revoked' });
    expect(await ask('DELETE', `/keys/${view.id}`)).toMatchObject({
      status: 200,
      body: { state: 'revoked' },
    });
    expect(await ask('POST', `/keys/${view.id}/rotate`)).toMatchObject({ status: 409 });

    const about = { key: view.id, consumer: 'acme', remote };
    expect(audited).toEqual([
      { event: 'admin.consumer.create', consumer: 'acme', remote },
      { event: 'admin.key.create', ...about },
      { event: 'admin.key.rotate', ...about },
      { event: 'admin.key.rotate', ...about },
      { event: 'admin.key.revoke', ...about },
      { event: 'admin.key.revoke', ...about },
    ]);
    const said = JSON.stringify([audited, logged, (await ask('GET', '/keys')).body]);
    for (const secret of [key, rotated.body.key]) expect(said).not.toContain(secret.slice(-32));
  });

  it('says 404 for a key that is not there', async () => {
    for (const [method, path] of [
      ['GET', '/keys/nope'],
      ['POST', '/keys/nope/rotate'],
      ['POST', '/keys/nope/revoke'],
      ['DELETE', '/keys/nope'],
      ['GET', '/keys/a%2Fb'],
    ]) {
      const { status, body } = await ask(method, path);
      expect([status, body.title], path).toEqual([404, 'Not found']);
    }
    expect(audited).toEqual([]);
  });

  it('takes only the methods it has', async () => {
    const wrong = await ask('POST', '/keys/x', {});
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT, DELETE']);
    expect((await ask('GET', '/keys/x/y')).status).toBe(404);
    expect((await ask('GET', '/keys/%ff')).status).toBe(404);
    expect((await ask('GET', '/keys/')).status).toBe(404);
  });
});

describe('a body', () => {
  it.each([
    [{}, 'consumer is missing'],
    [{ consumer: '' }, 'consumer is missing'],
    [{ consumer: 7 }, 'consumer: expected a text'],
    [{ consumer: 'a', rolls: ['x'] }, 'unknown member "rolls", did you mean "roles"?'],
    [{ consumer: 'a', roles: 'x' }, 'roles: expected a list of texts'],
    [{ consumer: 'a', roles: [1] }, 'roles: expected a list of texts'],
    [{ consumer: 'a', expires: 'soon' }, 'expires: expected a duration such as 12h or 90d, or a time'],
    [{ consumer: 'a', expires: 90 }, 'expires: expected a duration'],
    [{ consumer: 'a', expires: '2001-01-01' }, 'expires: that is in the past'],
    [{ consumer: 'a', networks: ['10.0.0.0/99'] }, 'networks: "10.0.0.0/99" is not a network'],
    [[], 'the body must be a JSON object'],
    ['null', 'the body must be a JSON object'],
    ['7', 'the body must be a JSON object'],
    ['{"consumer":', 'the body is not valid JSON in UTF-8'],
    [' ', 'the body is not valid JSON in UTF-8'],
    ['{"__proto__": {}, "consumer": "a"}', 'unknown member "__proto__"'],
  ])('of %j is refused: %s', async (body, detail) => {
    const answer = await ask('POST', '/keys', body);
    expect(answer).toMatchObject({ status: 400, body: { detail: expect.stringContaining(detail) } });
    expect((await ask('GET', '/keys')).body).toEqual({ keys: [] });
    expect(audited).toEqual([]);
  });

  it('of more than 64 KiB is refused, whatever comes behind', async () => {
    const { status, body } = await ask('POST', '/keys', { consumer: 'a', name: 'x'.repeat(70_000) });
    expect([status, body.title]).toEqual([413, 'Body too large']);
    const fits = await ask('POST', '/consumers', { name: 'a', description: 'x'.repeat(60_000) });
    expect(fits).toMatchObject({ status: 400, body: { detail: 'description: at most 1000 characters' } });
  });

  it('of another type is refused: a form of another site cannot send JSON', async () => {
    const answer = await fetch(`${url}/keys`, { method: 'POST', body: '{"consumer":"a"}' });
    expect(answer.status).toBe(415);
  });
});

describe('/consumers', () => {
  it('makes, shows, lists, changes and removes consumers', async () => {
    const made = await ask('POST', '/consumers', { name: 'a@b', plan: 'gold', roles: ['r'] });
    expect(made).toMatchObject({ status: 201, body: { name: 'a@b', plan: 'gold', enabled: true } });
    expect(made.headers.get('location')).toBe('/consumers/a%40b');
    expect(await ask('POST', '/consumers', { name: 'a@b' })).toMatchObject({ status: 409 });
    expect((await ask('GET', '/consumers/a%40b')).body).toEqual(made.body);
    const changed = await ask('PUT', '/consumers/a%40b', { enabled: false, roles: [] });
    expect(changed.body).toEqual({ ...made.body, enabled: false, roles: [] });
    expect((await ask('GET', '/consumers')).body).toEqual({ consumers: [changed.body] });
    await ask('POST', '/keys', { consumer: 'a@b' });
    expect((await ask('DELETE', '/consumers/a%40b')).body).toEqual({ name: 'a@b', keysRevoked: 1 });
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const body = method === 'PUT' ? {} : undefined;
      expect((await ask(method, '/consumers/a%40b', body)).status, method).toBe(404);
    }
    expect(audited.filter(({ event }) => event !== 'admin.key.create')).toEqual([
      { event: 'admin.consumer.create', consumer: 'a@b', remote },
      { event: 'admin.consumer.update', consumer: 'a@b', changed: ['roles', 'enabled'], remote },
      { event: 'admin.consumer.remove', consumer: 'a@b', keysRevoked: 1, remote },
    ]);
  });

  it('refuses what makes no sense', async () => {
    expect((await ask('POST', '/consumers', { name: 'a b' })).body.detail).toContain('"a b" is not a name');
    expect((await ask('POST', '/consumers', { name: 'a', enabled: 'yes' })).body.detail).toBe(
      'enabled: expected true or false',
    );
  });
});

describe('/revocations', () => {
  it('voids what a user holds, sessions too', async () => {
    const { status, body } = await ask('POST', '/revocations', { provider: 'players', user: 'ann' });
    expect(status).toBe(201);
    expect(Math.abs(body.before - Date.now() / 1000)).toBeLessThan(10);
    expect(records?.store.get('revocation', 'user:players:ann')).toMatchObject({ before: body.before });
    expect(sessionsEnded).toEqual(['players ann']);
    expect(audited).toEqual([
      { event: 'admin.user.revoke', provider: 'players', user: 'ann', sessions: 1, remote },
    ]);
  });

  it('voids one token', async () => {
    const { body } = await ask('POST', '/revocations', {
      provider: 'players',
      tokenId: 't1',
      until: 9_999_999_999,
    });
    expect(body).toEqual({ provider: 'players', tokenId: 't1', until: 9_999_999_999 });
    expect(records?.store.get('revocation', 'jti:players:t1')).toEqual({ until: 9_999_999_999 });
    expect(sessionsEnded).toEqual([]);
  });

  it.each([
    [{ user: 'ann' }, 'provider is missing'],
    [
      { provider: 'plyers', user: 'ann' },
      'provider: there is no provider of tokens or sessions "plyers"; known: players',
    ],
    [{ provider: 'players' }, 'tokenId is missing'],
    [{ provider: 'players', user: '' }, 'user is missing'],
    [{ provider: 'players', user: 'a', tokenId: 'b' }, 'give user, or tokenId and until, not both'],
    [
      { provider: 'players', tokenId: 'b', until: -1 },
      'until: expected a whole number of seconds since 1970',
    ],
    [
      { provider: 'players', tokenId: 'b', until: '1d' },
      'until: expected a whole number of seconds since 1970',
    ],
  ])('refuses %j', async (body, detail) => {
    expect(await ask('POST', '/revocations', body)).toMatchObject({ status: 400, body: { detail } });
    expect(audited).toEqual([]);
  });
});

describe('the store', () => {
  it('that is not configured is said so', async () => {
    records = null;
    for (const path of ['/keys', '/consumers']) {
      expect(await ask('GET', path)).toMatchObject({
        status: 409,
        body: { title: 'No store', detail: expect.stringContaining('data: ./data') },
      });
    }
  });

  it('whose Redis is away is said so, and nothing is noted', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    records = await open(redis.url);
    await redis.kill();
    expect(await ask('POST', '/keys', { consumer: 'acme' })).toMatchObject({
      status: 503,
      body: { title: 'Store unavailable', detail: expect.stringContaining('cannot be reached') },
    });
    expect((await ask('GET', '/keys')).status).toBe(200);
    expect(audited).toEqual([]);
  });
});
