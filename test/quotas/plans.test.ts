/** Plans of real gateways: who may use how much, and what was used. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { sluice } from '../cli/sluice.ts';
import { eventually } from '../harness/eventually.ts';
import { bearer, dataFolder, hit, makeKey, quotaConfig, send, startQuotas } from './quota-gateway.ts';

vi.setConfig({ testTimeout: 60_000 });

const PLANS = {
  limits: { everybody: { by: ['route'], rate: '100000/s' } },
  plans: {
    free: { quotas: [{ per: 'day', requests: 10 }] },
    pro: {
      limits: ['everybody', { by: ['consumer'], rate: '100000/s' }],
      quotas: [
        { per: 'day', requests: 1_000 },
        { per: 'month', requests: 20_000 },
      ],
    },
    tiny: { quotas: [{ per: 'day', requests: 2, by: ['apiKey'] }] },
    internal: {},
  },
  defaultPlan: 'free',
};

it('gives each caller the quota of the own plan, and the default one to all others', async () => {
  const gateway = await startQuotas(dataFolder(), ['plan', 'everybody'], PLANS);
  const acme = await makeKey(gateway, 'acme');
  const pro = await makeKey(gateway, 'bigger', { plan: 'pro' });
  const [tiny, tiny2] = [
    await makeKey(gateway, 'x', { plan: 'tiny' }),
    await makeKey(gateway, 'x', { plan: 'tiny' }),
  ];
  const internal = await makeKey(gateway, 'own', { plan: 'internal' });
  expect(await hit(gateway, 15, acme.key)).toEqual({ 200: 10, 429: 5 });
  expect(await hit(gateway, 50, pro.key)).toEqual({ 200: 50 });
  expect(await hit(gateway, 5, tiny.key)).toEqual({ 200: 2, 429: 3 });
  expect(await hit(gateway, 5, tiny2.key)).toEqual({ 200: 2, 429: 3 });
  expect(await hit(gateway, 30, internal.key)).toEqual({ 200: 30 });
  // Users by a claim of their token; each has a quota of the own.
  expect(await hit(gateway, 30, undefined, bearer('7', 'pro'))).toEqual({ 200: 30 });
  expect(await hit(gateway, 12, undefined, bearer('8', 'no such plan'))).toEqual({ 200: 10, 429: 2 });
  const user = await eventually(async () => {
    const { status, body } = await gateway.ask('/usage/7?as=user');
    return status === 200 && body.plan === 'pro' && body;
  });
  expect(user.quotas[0]).toMatchObject({ user: '7', quota: 'quota/day', used: 30, max: 1_000 });
  // Without a key: nobody in particular, with the default plan.
  expect(await hit(gateway, 12)).toEqual({ 200: 10, 429: 2 });

  const answer = await fetch(`${gateway.url}/hi`, { headers: { 'x-api-key': pro.key } });
  expect(answer.headers.get('ratelimit-policy')).toBe(
    '"everybody";q=100000;w=1, "everybody";q=100000;w=1, "plan/pro/2";q=100000;w=1, "quota/day";q=1000;w=86400, "quota/month";q=20000;w=2592000',
  );
  const refused = await fetch(`${gateway.url}/hi`, { headers: { 'x-api-key': acme.key } });
  expect(await refused.json()).toMatchObject({
    code: 'RATE_LIMITED',
    detail: 'The limit "quota/day" is used up.',
  });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
});

it('follows within a second when a consumer, a key, or the configuration moves to another plan', async () => {
  const data = dataFolder();
  const gateway = await startQuotas(data, 'plan', PLANS);
  const { id, key } = await makeKey(gateway, 'acme');
  expect(await hit(gateway, 12, key)).toEqual({ 200: 10, 429: 2 });

  const all = async (statuses: number) => {
    const got = await hit(gateway, 8, key);
    return Object.keys(got).join() === String(statuses);
  };
  const startedAt = performance.now();
  await send(gateway, 'PUT', '/consumers/acme', { plan: 'pro' });
  await eventually(() => all(200), { what: 'the plan of the consumer', withinMs: 5000 });
  process.stdout.write(`a consumer's plan held after ${Math.round(performance.now() - startedAt)} ms\n`);
  // What is used is used, whatever the plan.
  const { quotas } = await send(gateway, 'GET', '/usage/acme');
  expect(quotas[0]).toMatchObject({ plan: 'pro', quota: 'quota/day', max: 1_000 });
  expect(quotas[0].used).toBeGreaterThanOrEqual(18);

  await send(gateway, 'PUT', `/keys/${id}`, { plan: 'free' });
  await eventually(() => all(429), { what: 'the plan of the key, which beats that of its consumer' });
  await send(gateway, 'PUT', `/keys/${id}`, { plan: '' });
  await eventually(() => all(200), { what: 'the plan of the consumer again' });

  const pro = { quotas: [{ per: 'day', requests: 5 }] };
  gateway.write({
    ...quotaConfig(data, 'plan', { ...PLANS, plans: { ...PLANS.plans, pro } }),
    listen: new URL(gateway.url).host,
    admin: new URL(gateway.admin).host,
  });
  expect((await gateway.reload()).status).toBe(200);
  expect(await all(429)).toBe(true);
});

it('takes nothing of the plan for what another limit of the route refuses', async () => {
  const gateway = await startQuotas(dataFolder(), ['plan', { by: ['ip'], rate: '3/h' }], PLANS);
  const { key } = await makeKey(gateway, 'acme');
  expect(await hit(gateway, 9, key)).toEqual({ 200: 3, 429: 6 });
  const { quotas } = await send(gateway, 'GET', '/usage/acme');
  expect(quotas[0].used).toBe(3);
});

it('gives back what other limits have taken when the plan refuses', async () => {
  const gateway = await startQuotas(dataFolder(), ['plan', { by: ['ip'], rate: '20/d' }], PLANS);
  const { key } = await makeKey(gateway, 'acme');
  expect(await hit(gateway, 15, key)).toEqual({ 200: 10, 429: 5 });
  // Of the twenty for this address ten are left, and the plan of those without a key allows ten.
  expect(await hit(gateway, 12)).toEqual({ 200: 10, 429: 2 });
});

it('tells once, for all workers, that a key comes near its end', async () => {
  const quota = { by: ['consumer'], algorithm: 'quota', max: 40, per: 'week', warnAt: '50%' };
  const gateway = await startQuotas(dataFolder(), quota);
  const { key, id } = await makeKey(gateway, 'acme');
  await hit(gateway, 19, key);
  await sleep(1500);
  const told = () => gateway.log.filter(({ msg }) => msg === 'a quota comes near its end');
  expect(told()).toEqual([]);
  await hit(gateway, 30, key);
  await gateway.logged(({ msg }) => msg === 'a quota comes near its end');
  await sleep(1500);
  expect(told()).toEqual([
    expect.objectContaining({ limit: 'hi/1', consumer: 'acme', key: id, max: 40, level: 'warn' }),
  ]);
  const { body } = await gateway.ask('/metrics');
  expect(body).toContain('sluice_quota_threshold_total{limit="hi/1"} 1\n');
});

it('refuses plans that the configuration does not have, over HTTP and on the command line', async () => {
  const gateway = await startQuotas(dataFolder(), 'plan', PLANS);
  const { id } = await makeKey(gateway, 'acme');
  const detail =
    'plan: the configuration has no plan "fre"; expected one of free, pro, tiny, internal, or "" for none; did you mean free?';
  expect(await send(gateway, 'PUT', '/consumers/acme', { plan: 'fre' })).toMatchObject({
    status: 400,
    detail,
  });
  expect(await send(gateway, 'POST', '/consumers', { name: 'new', plan: 'fre' })).toMatchObject({ detail });
  expect(await send(gateway, 'POST', '/keys', { consumer: 'acme', plan: 'fre' })).toMatchObject({ detail });
  expect(await send(gateway, 'PUT', `/keys/${id}`, { plan: 'fre' })).toMatchObject({ status: 400, detail });
  for (const args of [
    ['consumer', 'update', 'acme', '--plan', 'fre'],
    ['key', 'create', '--consumer', 'acme', '--plan', 'fre'],
    ['key', 'update', id, '--plan', 'fre'],
  ]) {
    const ended = sluice(...args, '-c', gateway.file);
    expect([ended.code, ended.err]).toEqual([1, `sluice: ${detail}\n`]);
  }
  const updated = sluice('key', 'update', id, '--plan', 'pro', '--json', '-c', gateway.file);
  expect(JSON.parse(updated.out)).toMatchObject({ id, plan: 'pro' });
});

it('shows what was used as JSON, CSV and a table', async () => {
  const data = dataFolder();
  const gateway = await startQuotas(data, 'plan', PLANS);
  const acme = await makeKey(gateway, 'acme');
  const tiny = await makeKey(gateway, 'key-by-key', { plan: 'tiny' });
  await makeKey(gateway, 'zero');
  await hit(gateway, 7, acme.key);
  await hit(gateway, 2, tiny.key);
  const today = new Date().toISOString().slice(0, 10);

  const { body } = await gateway.ask('/usage/acme');
  expect(body).toMatchObject({ consumer: 'acme', plan: 'free' });
  expect(body.quotas).toEqual([
    expect.objectContaining({
      consumer: 'acme',
      plan: 'free',
      quota: 'quota/day',
      per: 'day',
      since: `${today}T00:00:00.000Z`,
      used: 7,
      max: 10,
      remaining: 3,
      resetsAt: `${new Date(Date.parse(today) + 86_400_000).toISOString()}`,
    }),
  ]);
  const byKey = await gateway.ask('/usage/key-by-key');
  expect(byKey.body.quotas).toEqual([
    expect.objectContaining({ key: tiny.id, plan: 'tiny', used: 2, max: 2, remaining: 0 }),
  ]);
  expect((await gateway.ask('/usage/nobody')).status).toBe(404);
  expect((await gateway.ask('/usage/acme?format=xml')).status).toBe(400);

  const csv = await gateway.ask('/usage/acme', { headers: { accept: 'text/csv' } });
  expect(csv.headers.get('content-type')).toContain('text/csv');
  expect(csv.body).toBe(
    `consumer,user,key,plan,quota,route,per,since,used,max,remaining,resetsAt\r\nacme,,,free,quota/day,,day,${today}T00:00:00.000Z,7,10,3,${body.quotas[0].resetsAt}\r\n`,
  );

  const first = await gateway.ask('/usage?limit=2');
  const names = (rows: { consumer: string }[]) => [...new Set(rows.map(({ consumer }) => consumer))];
  expect([names(first.body.usage), first.body.next]).toEqual([['acme', 'key-by-key'], 'key-by-key']);
  expect(first.headers.get('link')).toBe('</usage?limit=2&after=key-by-key>; rel="next"');
  const rest = await gateway.ask('/usage?limit=2&after=key-by-key');
  expect([names(rest.body.usage), rest.body.next]).toEqual([['zero'], null]);
  expect((await gateway.ask('/usage?format=csv')).body.trim().split('\r\n')).toHaveLength(4);

  // The command reads what is on disk, half a second later, and when no gateway runs.
  const asked = (...args: string[]) => sluice('usage', ...args, '-c', gateway.file);
  const { usage } = await eventually(() => {
    const document = JSON.parse(asked('acme', '--format', 'json').out);
    return document.usage[0].used === 7 && document;
  });
  expect(usage).toEqual(body.quotas);
  const table = asked().out.split('\n');
  expect(table[0]).toMatch(/^CALLER +KEY +PLAN +QUOTA +SINCE +USED +MAX +REMAINING +RESETS$/);
  expect(table[1]).toMatch(/^acme +- +free +quota\/day +\S+ +7 +10 +3 +\S+$/);
  expect(asked('acme', '--format', 'csv').out).toBe(csv.body);
  expect(asked('nobody')).toMatchObject({ code: 1, err: expect.stringContaining('no consumer "nobody"') });
  expect(asked('acme', '--format', 'xml').code).toBe(2);
  expect(asked('acme', 'other').err).toContain('what is "other"?');
});

it('lets requests wait for a limit that only a plan has', async () => {
  const limits = [{ by: ['user'], rate: '5/s', burst: 1, over: 'queue' }];
  const plans = { plans: { free: { limits } }, defaultPlan: 'free' };
  const gateway = await startQuotas(dataFolder(), 'plan', plans);
  expect(await hit(gateway, 3, undefined, bearer('7', 'free'))).toEqual({ 200: 3 });
});
