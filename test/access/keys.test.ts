/** API keys and consumers: made, changed, rotated and revoked, by the admin API and the command line, on every worker. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { askAt, guarded, openPremises, type Premises, settles, sluice } from './premises.ts';

const PARTNERS = {
  auth: { providers: { partners: { type: 'apiKey' } }, roles: { viewer: ['orders:read'] } },
  routes: [
    guarded('/a', 'partners'),
    guarded('/read', { anyOf: ['partners'], permissions: ['orders:read'] }),
  ],
};

const open = (more: Record<string, unknown> = {}) => openPremises({ ...PARTNERS, ...more });
const openTwo = () => open({ workers: 2 });

const status = (premises: Premises, key: string) => () => premises.ask('/a', { key });

/** `sluice key …` that succeeds; what it prints as JSON. */
async function keyCommand(file: string, ...args: string[]) {
  const { code, out, err } = await sluice('key', ...args, '-c', file, '--json');
  if (code !== 0) throw new Error(`sluice key ${args.join(' ')}: ${code} ${err}`);
  return JSON.parse(out);
}

describe('the command line, while the gateway runs', () => {
  it('makes a key that works on every worker within a second', async () => {
    const premises = await openTwo();
    const made = await keyCommand(
      premises.gateway.file,
      ...['create', '--consumer', 'acme', '--role', 'viewer', '--name', 'nightly', '--plan', 'gold'],
    );
    expect(Object.keys(made).slice(0, 2)).toEqual(['id', 'key']);
    expect(made.key).toMatch(/^sluice_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}/);
    expect(made).toMatchObject({ consumer: 'acme', roles: ['viewer'], name: 'nightly', plan: 'gold' });
    expect(await settles(status(premises, made.key), 200)).toBeLessThan(1000);
    expect((await premises.pass('/read', { key: made.key })).headers).toMatchObject({
      'x-auth-method': 'apiKey',
      'x-consumer-id': 'acme',
      'x-user-roles': 'viewer',
    });
  });

  it('prints the key alone on a line, once, and never again', async () => {
    const premises = await open();
    const { file } = premises.gateway;
    const { code, out, err } = await sluice('key', 'create', '--consumer', 'acme', '-c', file);
    const key = out.trim();
    expect({ code, lines: out.split('\n').length }).toEqual({ code: 0, lines: 2 });
    expect(err).toContain('acme');
    expect(err).not.toContain(key);
    expect((await premises.pass('/a', { key })).headers['x-consumer-id']).toBe('acme');
    const secret = key.split('_')[3];
    const [{ id }] = (await keyCommand(file, 'list')).keys;
    for (const args of [['list'], ['show', id], ['show', id, '--json'], ['list', '--json']]) {
      expect((await sluice('key', ...args, '-c', file)).out).not.toContain(secret);
    }
    for (const path of ['/keys', `/keys/${id}`, '/config', '/consumers/acme']) {
      expect(JSON.stringify((await premises.gateway.ask(path)).body)).not.toContain(secret);
    }
  });

  it('revokes a key on every worker within a second', async () => {
    const premises = await openTwo();
    const { id, key } = await keyCommand(premises.gateway.file, 'create', '--consumer', 'acme');
    await settles(status(premises, key), 200);
    expect((await keyCommand(premises.gateway.file, 'revoke', id)).state).toBe('revoked');
    expect(await settles(status(premises, key), 401)).toBeLessThan(1000);
    await premises.audited({ event: 'auth.refused', reason: 'revoked' });
    await expect(keyCommand(premises.gateway.file, 'rotate', id)).rejects.toThrow('revoked');
  });

  it('rotates: two secrets for the time of grace, one after it', async () => {
    const premises = await openTwo();
    const { file } = premises.gateway;
    const { id, key: first } = await keyCommand(file, 'create', '--consumer', 'acme');
    const { key: second } = await keyCommand(file, 'rotate', id, '--grace', '3s');
    expect(second).not.toBe(first);
    await settles(status(premises, second), 200);
    expect((await premises.ask('/a', { key: first })).status).toBe(200);
    await settles(status(premises, first), 401);
    expect((await premises.ask('/a', { key: second })).status).toBe(200);
    expect((await keyCommand(file, 'show', id)).secrets).toHaveLength(1);
  });

  it('rotates twice: of three secrets the oldest is dead at once', async () => {
    const premises = await openTwo();
    const { file } = premises.gateway;
    const { id, key: first } = await keyCommand(file, 'create', '--consumer', 'acme');
    const { key: second } = await keyCommand(file, 'rotate', id);
    await settles(status(premises, first), 200);
    const { key: third } = await keyCommand(file, 'rotate', id);
    expect(await settles(status(premises, first), 401)).toBeLessThan(1000);
    await settles(status(premises, second), 200);
    await settles(status(premises, third), 200);
    expect((await keyCommand(file, 'rotate', id, '--grace', '0s')).secrets).toHaveLength(1);
    expect(await settles(status(premises, third), 401)).toBeLessThan(1000);
  });

  it('changes and removes consumers, which holds for their keys', async () => {
    const premises = await openTwo();
    const { file } = premises.gateway;
    const consumer = async (...args: string[]) => await sluice('consumer', ...args, '-c', file);
    expect((await consumer('create', 'acme', '--role', 'viewer')).code).toBe(0);
    const { key } = await keyCommand(file, 'create', '--consumer', 'acme');
    const read = () => premises.ask('/read', { key });
    await settles(read, 200);
    await premises.change('PUT', '/consumers/acme', { roles: [] });
    expect(await settles(read, 403)).toBeLessThan(1000);
    await premises.change('PUT', '/consumers/acme', { roles: ['viewer'], enabled: false });
    expect(await settles(read, 401)).toBeLessThan(1000);
    await premises.change('PUT', '/consumers/acme', { enabled: true });
    expect(await settles(read, 200)).toBeLessThan(1000);
    expect((await consumer('remove', 'acme')).code).toBe(0);
    expect(await settles(read, 401)).toBeLessThan(1000);
  });
});

describe('the command line, while the gateway does not run', () => {
  it('makes and revokes keys for the next start, in a folder beside the configuration', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-access-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'sluice.yaml');
    writeFileSync(
      file,
      JSON.stringify({
        listen: '127.0.0.1:0',
        admin: '127.0.0.1:0',
        workers: 1,
        drain: { delay: 0 },
        auth: { providers: { partners: { type: 'apiKey' } } },
        routes: [{ name: 'a', match: { path: '/a' }, respond: { body: 'in' }, auth: 'partners' }],
      }),
    );
    const kept = await keyCommand(file, 'create', '--consumer', 'acme');
    const dead = await keyCommand(file, 'create', '--consumer', 'acme');
    await keyCommand(file, 'revoke', dead.id);
    const gateway = await startGateway(null, { file });
    expect((await askAt(gateway.url, '/a', { key: kept.key })).text).toBe('in');
    expect((await askAt(gateway.url, '/a', { key: dead.key })).status).toBe(401);
    await gateway.stop();
    await keyCommand(file, 'revoke', kept.id);
    const again = await startGateway(null, { file });
    expect((await askAt(again.url, '/a', { key: kept.key })).status).toBe(401);
    // Whoever runs next has it in the audit log.
    await gateway.logged(({ event, key }) => event === 'admin.key.revoke' && key === dead.id);
    await again.logged(({ event, key }) => event === 'admin.key.revoke' && key === kept.id);
    expect(again.log.filter(({ event }) => String(event).startsWith('admin.'))).toHaveLength(1);
  });

  it('says what is wrong, and where', async () => {
    const premises = await open();
    const { file } = premises.gateway;
    expect(await sluice('key', 'show', 'nonsense', '-c', file)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('there is no key "nonsense"'),
    });
    expect(await sluice('key', 'create', '-c', file)).toMatchObject({
      code: 2,
      err: expect.stringContaining('--consumer'),
    });
    const late = await sluice('key', 'create', '--consumer', 'a', '--expires', 'soon', '-c', file);
    expect(late).toMatchObject({ code: 2, err: expect.stringContaining('soon') });
    const net = await sluice('key', 'create', '--consumer', 'a', '--network', '10.0.0.0/33', '-c', file);
    expect(net).toMatchObject({ code: 1, err: expect.stringContaining('10.0.0.0/33') });
    const bare = join(file, '..', 'bare.yaml');
    writeFileSync(bare, '{}');
    expect(await sluice('key', 'list', '-c', bare)).toMatchObject({
      code: 1,
      err: expect.stringContaining('data'),
    });
  });
});

describe('a key', () => {
  const make = async (premises: Premises, wish: Record<string, unknown>) =>
    (await premises.change('POST', '/keys', { consumer: 'acme', ...wish })).body;

  it('is good from its networks only, each request anew', async () => {
    const premises = await open({ listen: { host: '127.0.0.1', port: 0, trustedProxies: ['127.0.0.1'] } });
    const { key } = await make(premises, { networks: ['203.0.113.0/24', '2001:db8::/32'] });
    const from = (address: string) => premises.ask('/a', { key, headers: { 'x-forwarded-for': address } });
    for (const address of ['203.0.113.7', '2001:db8::1']) expect((await from(address)).status).toBe(200);
    for (const address of ['203.0.114.7', '2001:db9::1', '127.0.0.1']) {
      expect(await from(address)).toMatchObject({ status: 401, json: { code: 'INVALID_API_KEY' } });
    }
    expect((await from('203.0.113.7')).status).toBe(200);
    expect((await premises.audited({ event: 'auth.refused' })).reason).toBe('network');
  });

  it('expires, also while it is remembered', async () => {
    const premises = await open();
    const { id, key } = await make(premises, { expires: '2s' });
    expect((await premises.ask('/a', { key })).status).toBe(200);
    await settles(status(premises, key), 401);
    expect((await premises.gateway.ask(`/keys/${id}`)).body.state).toBe('expired');
  });

  it('is known by when it was last used', async () => {
    const premises = await openTwo();
    const { id, key, lastUsedAt } = await make(premises, {});
    expect(lastUsedAt).toBeNull();
    const before = Date.now();
    await premises.pass('/a', { key });
    const used = async () => (await premises.gateway.ask(`/keys/${id}`)).body.lastUsedAt;
    const at = Date.parse(await eventually(used));
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
    expect(Date.parse((await keyCommand(premises.gateway.file, 'show', id)).lastUsedAt)).toBe(at);
  });
});

describe('the admin API', () => {
  /** For what changes nothing. */
  let shared: Premises;

  beforeAll(async () => {
    shared = await open();
  });

  afterAll(() => shared.close());

  it('makes, shows, lists, rotates and revokes keys, and writes who did', async () => {
    const premises = await openTwo();
    const made = await premises.change('POST', '/keys', { consumer: 'acme', scopes: ['a'] });
    const { id, key } = made.body;
    expect(made).toMatchObject({ status: 201, body: { consumerCreated: true, state: 'active' } });
    expect(made.headers.get('location')).toBe(`/keys/${id}`);
    expect(await settles(status(premises, key), 200)).toBeLessThan(1000);
    expect((await premises.gateway.ask(`/keys/${id}`)).body).toMatchObject({ id, scopes: ['a'] });
    expect((await premises.gateway.ask('/keys?consumer=acme')).body.keys).toHaveLength(1);
    expect((await premises.gateway.ask('/keys?consumer=other')).body.keys).toEqual([]);

    const rotated = (await premises.change('POST', `/keys/${id}/rotate`, { grace: '1h' })).body;
    await settles(status(premises, rotated.key), 200);
    expect((await premises.ask('/a', { key })).status).toBe(200);

    expect((await premises.change('DELETE', `/keys/${id}`)).body.state).toBe('revoked');
    for (const one of [key, rotated.key])
      expect(await settles(status(premises, one), 401)).toBeLessThan(1000);
    for (const event of ['create', 'rotate', 'revoke']) {
      expect(await premises.audited({ event: `admin.key.${event}` })).toMatchObject({
        key: id,
        consumer: 'acme',
        remote: '127.0.0.1',
      });
    }
    const log = JSON.stringify(premises.gateway.log);
    for (const one of [key, rotated.key]) expect(log).not.toContain(one.split('_')[3]);
  });

  it.each<[string, string, unknown, number, string]>([
    ['POST', '/keys', {}, 400, 'consumer is missing'],
    ['POST', '/keys', { consumer: 'a', rols: [] }, 400, 'did you mean "roles"'],
    ['POST', '/keys', { consumer: 'a', roles: 'x' }, 400, 'roles: expected a list of texts'],
    ['POST', '/keys', { consumer: 'a', networks: ['10.0.0.0/33'] }, 400, 'networks'],
    ['POST', '/keys', { consumer: 'a', expires: '2001-01-01' }, 400, 'past'],
    ['POST', '/keys', { consumer: '../a' }, 400, 'consumer'],
    ['POST', '/keys', [], 400, 'JSON object'],
    ['POST', '/keys/nonsense/rotate', undefined, 404, 'nonsense'],
    ['DELETE', '/keys/nonsense', undefined, 404, 'nonsense'],
    ['PUT', '/consumers/nobody', { plan: 'x' }, 404, 'nobody'],
    ['POST', '/revocations', { user: 'a', provider: 'nope' }, 400, 'nope'],
    ['POST', '/revocations', { user: 'a', provider: 'partners' }, 400, 'no provider of tokens'],
  ])('%s %s %j: %i, %s', async (method, path, body, expected, detail) => {
    const answer = await shared.change(method, path, body);
    expect(answer.status).toBe(expected);
    expect(answer.body.detail).toContain(detail);
  });

  it('says how to get a store when there is none', async () => {
    const premises = await openPremises({ routes: [guarded('/a', 'anonymous')] });
    expect(await premises.gateway.ask('/keys')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('data: ./data') },
    });
  });
});
