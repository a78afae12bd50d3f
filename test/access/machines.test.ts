/** Two gateways that meet in a Redis: what one is told holds on the other within a second; without Redis both go on. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../harness/redis.ts';
import { openSite, type Site } from './browser.ts';
import { askAt, guarded, HS256, openPremises, type Premises, settles, sluice, tokenOf } from './premises.ts';

const GUARD = {
  auth: { providers: { partners: { type: 'apiKey' }, ours: HS256 } },
  routes: [guarded('/a', ['partners', 'ours'])],
};

async function openRedis(): Promise<RunningRedis> {
  const redis = await startRedis();
  onTestFinished(async () => {
    redis.resume();
    await redis.stop();
  });
  return redis;
}

/** Each with a store of its own. */
async function openPair(redis: RunningRedis, workers = 2): Promise<[Premises, Premises]> {
  const open = () => openPremises({ workers, redis: redis.url, ...GUARD });
  // One after the other: at once they may be given the same free port.
  return [await open(), await open()];
}

const asking = (premises: Premises, key: string) => () => premises.ask('/a', { key });

async function makeKey(premises: Premises): Promise<{ id: string; key: string }> {
  const { status, body } = await premises.change('POST', '/keys', { consumer: 'acme' });
  expect(status).toBe(201);
  return body;
}

describe('a key', () => {
  it('made on one machine works on the other, and revoked on that is dead on the first, within a second', async () => {
    const [here, there] = await openPair(await openRedis());
    const { id, key } = await makeKey(here);
    for (const one of [here, there]) expect(await settles(asking(one, key), 200)).toBeLessThan(1000);
    expect((await there.gateway.ask(`/keys/${id}`)).body).toMatchObject({ id, consumer: 'acme' });
    await there.change('POST', `/keys/${id}/revoke`);
    for (const one of [there, here]) expect(await settles(asking(one, key), 401)).toBeLessThan(1000);
  });

  it('made and revoked by the command line on one machine is known on the other', async () => {
    const [here, there] = await openPair(await openRedis());
    const made = await sluice('key', 'create', '--consumer', 'acme', '--json', '-c', here.gateway.file);
    const { id, key } = JSON.parse(made.out);
    for (const one of [here, there]) expect(await settles(asking(one, key), 200)).toBeLessThan(1000);
    expect((await sluice('key', 'revoke', id, '-c', there.gateway.file)).code).toBe(0);
    for (const one of [there, here]) expect(await settles(asking(one, key), 401)).toBeLessThan(1000);
  });

  it('is known to a machine that comes later, and to one that was away', async () => {
    const redis = await openRedis();
    const [here, there] = await openPair(redis, 1);
    const { id, key } = await makeKey(here);
    await there.gateway.stop();
    const second = await makeKey(here);
    await here.change('DELETE', `/keys/${id}`);
    const late = await openPremises({ redis: redis.url, ...GUARD });
    expect((await late.ask('/a', { key: second.key })).status).toBe(200);
    expect((await late.ask('/a', { key })).status).toBe(401);
  });

  it('is known to a new machine that is ready, also when another one starts at the same moment', async () => {
    const redis = await openRedis();
    const here = await openPremises({ redis: redis.url, ...GUARD });
    const { key } = await makeKey(here);
    // What a machine holds while it brings its records to Redis.
    await redis.client.set('sluice:{records}:lock:settle', 'another machine', 'PX', 5000);
    const late = await openPremises({ redis: redis.url, ...GUARD });
    expect((await late.ask('/a', { key })).status).toBe(200);
    expect(late.gateway.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});

it('what is revoked of a user on one machine is dead on the other within a second', async () => {
  const [here, there] = await openPair(await openRedis());
  const token = tokenOf({ iat: Math.floor(Date.now() / 1000) - 60 });
  for (const one of [here, there]) await settles(() => one.ask('/a', { token }), 200);
  await here.change('POST', '/revocations', { user: 'alice', provider: 'ours' });
  for (const one of [here, there])
    expect(await settles(() => one.ask('/a', { token }), 401)).toBeLessThan(1000);
});

describe('a session', () => {
  /** Two gateways that browsers see as one. */
  async function openSites(redis: RunningRedis): Promise<[Site, Site]> {
    const config = { workers: 2, redis: redis.url };
    const login = { origin: 'https://app.example.com' };
    const here = await openSite({ config, login });
    return [here, await openSite({ config, login, beside: here })];
  }

  it('of one machine is known by the other at once', async () => {
    const [here, there] = await openSites(await openRedis());
    for (let i = 0; i < 5; i++) {
      const alice = here.browser();
      await alice.login();
      alice.url = there.premises.gateway.url;
      expect((await alice.call('/app')).status).toBe(200);
      expect((await alice.call('/auth/session')).json.user).toBe('alice');
    }
  });

  it('may be begun on one machine and come back to the other', async () => {
    const [here, there] = await openSites(await openRedis());
    const alice = here.browser();
    const sent = await alice.open('/app');
    alice.url = there.premises.gateway.url;
    expect((await alice.comeBack(sent)).status).toBe(302);
    alice.url = here.premises.gateway.url;
    expect((await alice.call('/app')).status).toBe(200);
  });

  it('refreshed on the other machine goes on under its new id on both', async () => {
    const [here, there] = await openSites(await openRedis());
    const alice = here.browser();
    await alice.login();
    alice.url = there.premises.gateway.url;
    expect((await alice.post('/auth/refresh')).status).toBe(200);
    for (const { premises } of [here, there]) {
      alice.url = premises.gateway.url;
      expect((await alice.call('/app')).status).toBe(200);
    }
  });

  it('ended on one machine, by its owner or an operator, is dead on the other within a second', async () => {
    const [here, there] = await openSites(await openRedis());
    const [phone, desk] = [here.browser(), here.browser()];
    const twin = there.browser();
    await phone.login();
    await desk.login();
    for (const one of [phone, desk]) {
      twin.cookies.set('__Host-sid', one.sid as string);
      await settles(() => twin.call('/app'), 200);
      if (one === phone) await phone.post('/auth/logout');
      else await here.premises.change('POST', '/revocations', { user: 'alice', provider: 'web' });
      expect(await settles(() => twin.call('/app'), 401)).toBeLessThan(1000);
    }
  });

  it('goes on while Redis is away; a login has to wait', async () => {
    const redis = await openRedis();
    const [here] = await openSites(redis);
    const alice = here.browser();
    await alice.login();
    await settles(() => alice.call('/app'), 200);
    await redis.kill();
    await settles(() => alice.call('/app'), 200);
    const late = here.browser();
    const sent = await late.open('/app');
    const end = sent.status === 302 ? await late.comeBack(sent) : sent;
    expect(end).toMatchObject({ status: 503, json: { code: 'AUTH_UNAVAILABLE' } });
  });
});

describe('while Redis is away', () => {
  it.each<[string, (redis: RunningRedis) => unknown]>([
    ['has crashed', (redis) => redis.kill()],
    ['does not answer', (redis) => redis.pause()],
  ])('and %s: known keys go on, unknown ones are refused, and changes are not taken', async (_, lose) => {
    const redis = await openRedis();
    const [here, there] = await openPair(redis);
    const { id, key } = await makeKey(here);
    for (const one of [here, there]) await settles(asking(one, key), 200);
    const before = here.gateway.log.length;
    await lose(redis);
    for (const one of [here, there]) {
      await settles(asking(one, key), 200);
      expect((await one.ask('/a', { key: 'bad' })).status).toBe(401);
      const { status, body } = await one.change('POST', '/keys', { consumer: 'late' });
      expect({ status, title: body.title }).toEqual({ status: 503, title: 'Store unavailable' });
      expect((await one.change('DELETE', `/keys/${id}`)).status).toBe(503);
      await settles(asking(one, key), 200);
    }
    const said = here.gateway.log.slice(before).filter(({ msg }) => msg.startsWith('the store'));
    expect(said.map(({ msg }) => msg)).toEqual([expect.stringContaining('the store goes on')]);
  });

  it('a gateway that starts again knows what it knew', async () => {
    const redis = await openRedis();
    const premises = await openPremises({ redis: redis.url, ...GUARD });
    const { key } = await makeKey(premises);
    await settles(asking(premises, key), 200);
    await redis.kill();
    const again = await startGateway(null, { file: premises.gateway.file });
    expect((await askAt(again.url, '/a', { key })).status).toBe(200);
  });
});

describe('when Redis is back', () => {
  it('from a pause, what was changed meanwhile elsewhere arrives, and changes are taken again', async () => {
    const redis = await openRedis();
    const [here, there] = await openPair(redis);
    const { id, key } = await makeKey(here);
    await settles(asking(there, key), 200);
    redis.pause();
    expect((await here.change('DELETE', `/keys/${id}`)).status).toBe(503);
    redis.resume();
    const revoked = async () => (await here.change('DELETE', `/keys/${id}`)).status === 200;
    await eventually(revoked, { withinMs: 10_000, everyMs: 100 });
    await settles(asking(there, key), 401);
  });

  it('with what it had on its disk, both go on, and know each other again', async () => {
    const redis = await openRedis();
    const [here, there] = await openPair(redis);
    const { key } = await makeKey(here);
    await settles(asking(there, key), 200);
    await redis.client.save();
    await redis.kill();
    await settles(asking(there, key), 200);
    await redis.restart();
    const makes = async () => (await here.change('POST', '/keys', { consumer: 'new' })).status === 201;
    await eventually(makes, { withinMs: 12_000, everyMs: 100 });
    const [fresh] = (await here.gateway.ask('/keys?consumer=new')).body.keys;
    const known = async () => (await there.gateway.ask(`/keys/${fresh.id}`)).status === 200;
    await eventually(known, { withinMs: 12_000, everyMs: 50 });
    await settles(asking(there, key), 200);
  });
});

it('credentials of Redis are in no log and not in what the admin API shows', async () => {
  const redis = await startRedis(['--requirepass', 'hush-hush-hush']);
  onTestFinished(() => redis.stop());
  const premises = await openPremises({ redis: redis.url, ...GUARD });
  const { key } = await makeKey(premises);
  await settles(asking(premises, key), 200);
  await redis.kill();
  await premises.change('POST', '/keys', { consumer: 'late' });
  await premises.gateway.logged(({ msg }) => msg.includes('the store goes on'));
  const { body } = await premises.gateway.ask('/config');
  expect(JSON.stringify([premises.gateway.log, body])).not.toContain('hush-hush');
  expect(premises.gateway.stderr).not.toContain('hush-hush');
});
