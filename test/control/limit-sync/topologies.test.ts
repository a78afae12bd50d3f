/** A Cluster of six nodes and a master with a Sentinel: slots move, masters die, and clients notice nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RedisRecords } from '../../../src/services/store/redis-records.ts';
import { eventually } from '../../harness/eventually.ts';
import { HAS_REDIS, startCluster, startSentinel } from '../../harness/redis-cluster.ts';
import { during, metricOf, startCrowd, startGateways } from './gateways.ts';

const LIMITS = {
  wide: { by: ['global'], rate: '200/s', burst: 50 },
  each: { by: ['header:x-key'], rate: '5/s' },
};
const isConnected = (gateway: Parameters<typeof metricOf>[0]) =>
  eventually(async () => (await metricOf(gateway, 'sluice_limit_sync_connected')) === 1 || undefined, {
    what: 'that limits are shared',
    withinMs: 20_000,
  });

/** What else uses Redis: records, their changes, and locks. */
async function keepRecords(port: number): Promise<void> {
  const records = new RedisRecords({ cluster: [{ host: '127.0.0.1', port }], tls: false });
  onTestFinished(() => records.close());
  const { run } = await records.position();
  expect(run).toMatch(/^\w{40}$/);
  await records.restore(new Map([['key/1', '{}']]), 'epoch', 3);
  expect(await records.position()).toEqual({ run, epoch: 'epoch', n: 3 });
  expect(await records.write('epoch', { key: 'key/2', text: '{"a":1}', quiet: false })).toEqual({
    result: 'done',
    n: 4,
  });
  expect(await records.nextChanges(3)).toEqual([{ n: 4, key: 'key/2', text: '{"a":1}', quiet: false }]);
  expect([...(await records.all()).keys()].sort()).toEqual(['key/1', 'key/2']);
  expect([await records.lock('one', 'me', 5000), await records.lock('one', 'other', 5000)]).toEqual([
    true,
    false,
  ]);
}

describe.skipIf(!HAS_REDIS)('limits are shared', () => {
  it('through a Cluster, also while masters change', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const place = { cluster: cluster.nodes.slice(0, 2).map(({ port }) => `127.0.0.1:${port}`) };
    await keepRecords(cluster.nodes[0]!.port);
    const gateways = await startGateways(2, LIMITS, place);
    // Keys in many slots: a round is one call for each tag.
    const many = Array.from({ length: 40 }, (_, i) =>
      fetch(`${gateways[i % 2]!.url}/each`, { headers: { 'x-key': `key ${i}` } }),
    );
    expect((await Promise.all(many)).every(({ status }) => status === 200)).toBe(true);
    const crowd = startCrowd(gateways, '/wide', [200, 200]);
    await sleep(1000);
    const shared = await during(crowd, 2000);
    for (const { client } of cluster.nodes.slice(3)) await client.cluster('FAILOVER');
    const moving = await during(crowd, 2500);
    for (const gateway of gateways) await isConnected(gateway);
    await crowd.stop();
    expect(crowd.others()).toEqual([]);
    expect(shared.admitted / shared.seconds).toBeGreaterThan(180);
    expect(shared.admitted / shared.seconds).toBeLessThan(220);
    expect(moving.admitted / moving.seconds).toBeGreaterThan(140);
    expect(moving.admitted / moving.seconds).toBeLessThan(240);
    const keys = await Promise.all(
      cluster.nodes.slice(3).map(({ client }) => client.keys('sluice:limits:*')),
    );
    expect(keys.every((list) => list.length > 0)).toBe(true);
  }, 60_000);

  it('and are not for as long as a node of a Cluster is away: the log says each once', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const place = { cluster: cluster.nodes.slice(0, 3).map(({ port }) => `127.0.0.1:${port}`) };
    const gateways = await startGateways(2, LIMITS, place);
    const stop = new AbortController();
    // Some at a time, so that there are moments without a row for the dead node.
    const asking = gateways.map(async ({ url }) => {
      for (let i = 0; !stop.signal.aborted; i++) {
        await fetch(`${url}/each`, { headers: { 'x-key': `key ${i % 40}` } });
        await sleep(30);
      }
    });
    await sleep(500);
    // Heartbeats go to another one.
    const slot = await cluster.nodes[0]!.client.cluster('KEYSLOT', 'sluice:{limits}:machines');
    const asked = Math.floor((3 * (slot as number)) / 16_384);
    cluster.nodes[(asked + 1) % 3]!.kill();
    const said = ({ log }: (typeof gateways)[number]) =>
      log.filter(({ msg }) => /^limits are/.test(msg)).map(({ level }) => level);
    await eventually(() => gateways.every((one) => said(one).includes('info')) || undefined, {
      what: 'that limits are shared again',
      withinMs: 20_000,
    });
    await sleep(3_000);
    stop.abort();
    await Promise.all(asking);
    expect(gateways.map(said)).toEqual([
      ['warn', 'info'],
      ['warn', 'info'],
    ]);
  }, 60_000);

  it('through the master that a Sentinel names, also when it dies', async () => {
    const sentinel = await startSentinel();
    onTestFinished(() => sentinel.stop());
    const [master, replica, watcher] = sentinel.nodes;
    const place = { sentinels: [`127.0.0.1:${watcher!.port}`], name: 'main' };
    const gateways = await startGateways(2, LIMITS, place);
    const crowd = startCrowd(gateways, '/wide', [200, 200]);
    await sleep(1000);
    master!.kill();
    const dying = await during(crowd, 3000);
    await eventually(
      async () => String(await replica!.client.info('replication')).includes('role:master') || undefined,
      {
        what: 'that the replica is the master',
        withinMs: 20_000,
      },
    );
    for (const gateway of gateways) await isConnected(gateway);
    const after = await during(crowd, 1500);
    await crowd.stop();
    expect(crowd.others()).toEqual([]);
    for (const span of [dying, after]) {
      expect(span.admitted / span.seconds).toBeGreaterThan(140);
      expect(span.admitted).toBeLessThan(200 * span.seconds * 1.5);
    }
  }, 60_000);
});
