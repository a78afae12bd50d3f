/** Counts of quotas over restarts, of real gateways. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startRedis } from '../harness/redis.ts';
import { dataFolder, hit, makeKey, quotaConfig, remaining, send, startQuotas } from './quota-gateway.ts';

// Each starts two gateways, on a machine that may be busy with others.
vi.setConfig({ testTimeout: 60_000 });

const DAILY = { by: ['consumer'], algorithm: 'quota', max: 100, per: 'day' };

it('admits exactly the quota over two workers, and goes on counting after SIGTERM', async () => {
  const data = dataFolder();
  const first = await startQuotas(data, DAILY);
  const { key } = await makeKey(first, 'acme');
  const other = await makeKey(first, 'other');
  expect(await hit(first, 60, key)).toEqual({ 200: 60 });
  expect(await first.stop()).toBe(0);

  const second = await startQuotas(data, DAILY);
  expect(second.log.find(({ msg }) => msg === 'counts of quotas are back')).toMatchObject({ counts: 1 });
  expect(await hit(second, 80, key)).toEqual({ 200: 40, 429: 40 });
  expect(await remaining(second, other.key)).toBe(99);
  // Those without a consumer have a quota of their own, together.
  expect(await hit(second, 110)).toEqual({ 200: 100, 429: 10 });
});

it('loses at most a second of counts when the primary is killed', async () => {
  const data = dataFolder();
  const first = await startQuotas(data, DAILY);
  const { key } = await makeKey(first, 'acme');
  await hit(first, 30, key);
  await sleep(1000);
  await hit(first, 20, key);
  process.kill(first.pid, 'SIGKILL');
  // Also its workers have gone, which hold the other end of its standard output.
  await first.exited;

  const second = await startQuotas(data, DAILY);
  const left = await remaining(second, key);
  expect(left).toBeGreaterThanOrEqual(49);
  expect(left).toBeLessThanOrEqual(69);
  process.stdout.write(`of 20 requests in the last moment ${left - 49} were not counted after the kill\n`);
});

it('keeps the counts when a worker is killed, and when a reload changes the quota', async () => {
  const data = dataFolder();
  const gateway = await startQuotas(data, DAILY);
  const { key } = await makeKey(gateway, 'acme');
  await hit(gateway, 50, key);
  const [pid] = await gateway.workerPids();
  process.kill(pid as number, 'SIGKILL');
  await eventually(async () => !(await gateway.workerPids()).includes(pid as number));
  const used = async () => (await send(gateway, 'GET', '/usage/acme')).quotas[0];
  expect(await used()).toMatchObject({ used: 50, max: 100 });

  // A limit of a route goes by its place: the same name, the same count.
  const changed = { listen: new URL(gateway.url).host, admin: new URL(gateway.admin).host };
  gateway.write({ ...quotaConfig(data, { ...DAILY, max: 200 }), ...changed });
  expect((await gateway.reload()).status).toBe(200);
  expect(await used()).toMatchObject({ used: 50, max: 200 });
  expect(await remaining(gateway, key)).toBe(149);
  gateway.write({ ...quotaConfig(data, { ...DAILY, max: 10 }), ...changed });
  expect((await gateway.reload()).status).toBe(200);
  expect(await hit(gateway, 1, key)).toEqual({ 429: 1 });
});

it('begins with a reload, too, and with what an earlier gateway has counted', async () => {
  const data = dataFolder();
  const first = await startQuotas(data, DAILY);
  const { key } = await makeKey(first, 'acme');
  await hit(first, 10, key);
  await first.stop();

  const second = await startQuotas(data, { by: ['ip'], rate: '100000/s' });
  await hit(second, 5, key);
  second.write({
    ...quotaConfig(data, DAILY),
    listen: new URL(second.url).host,
    admin: new URL(second.admin).host,
  });
  expect((await second.reload()).status).toBe(200);
  expect(await remaining(second, key)).toBe(89);
});

it('says at the start that the folder cannot be opened', async () => {
  await expect(startQuotas('/proc/nowhere', DAILY)).rejects.toThrow('data: /proc/nowhere cannot be opened');
});

it('that is counted with other machines survives a restart while Redis is away, and with one that is empty', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const data = dataFolder();
  const more = { redis: redis.url };
  const first = await startQuotas(data, DAILY, more);
  const { key } = await makeKey(first, 'acme');
  expect(await hit(first, 60, key)).toEqual({ 200: 60 });
  expect(await first.stop()).toBe(0);

  await redis.kill();
  const second = await startQuotas(data, DAILY, more);
  expect((await send(second, 'GET', '/usage/acme')).quotas[0]).toMatchObject({ used: 60 });
  expect(await hit(second, 50, key)).toEqual({ 200: 40, 429: 10 });
  expect(await second.stop()).toBe(0);

  await redis.restart();
  const third = await startQuotas(data, DAILY, more);
  expect((await send(third, 'GET', '/usage/acme')).quotas[0]).toMatchObject({ used: 100 });
  expect(await hit(third, 5, key)).toEqual({ 429: 5 });
});
