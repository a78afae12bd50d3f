/** What was used of a quota is the same on all machines, also on one that its callers do not come to. */
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import type { RunningGateway } from '../../harness/gateway.ts';
import { startRedis } from '../../harness/redis.ts';
import { bearer, dataFolder, hit, send, startQuotas } from '../../quotas/quota-gateway.ts';
import { metricOf } from './gateways.ts';

const DAILY = { by: ['user'], algorithm: 'quota', max: 1000, per: 'day' };

it('is what all have counted, and while Redis is away what the machine has heard', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const here = await startQuotas(dataFolder(), DAILY, { redis: redis.url });
  const there = await startQuotas(dataFolder(), DAILY, { redis: redis.url });
  const unused = await startQuotas(dataFolder(), DAILY, { redis: redis.url });
  const used = async (gateway: RunningGateway, path = '/usage/alice?as=user') =>
    (await send(gateway, 'GET', path)).quotas?.[0].used;
  const alice = bearer('alice', 'free');
  await hit(here, 10, undefined, alice);
  await eventually(async () => (await used(unused)) === 10 || undefined);
  await hit(there, 40, undefined, alice);
  for (const gateway of [here, there, unused]) {
    await eventually(async () => (await used(gateway)) === 50 || undefined);
  }
  // Workers tell now and then whom they have counted.
  const listed = async () => (await send(here, 'GET', '/usage?as=user&history=400')).usage;
  await eventually(async () => (await listed()).length > 0 || undefined);
  expect(await listed()).toMatchObject([{ user: 'alice', used: 50 }]);
  await redis.kill();
  await eventually(async () => (await metricOf(here, 'sluice_limit_sync_connected')) === 0 || undefined);
  expect(await used(here)).toBe(10);
  await redis.restart();
  // Redis has lost its data, and nobody asks for anything but the usage.
  for (const gateway of [here, there, unused]) {
    await eventually(async () => (await used(gateway)) === 50 || undefined, { withinMs: 10_000 });
  }
}, 60_000);
