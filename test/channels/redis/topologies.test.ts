/** A Cluster of six nodes and a master with a Sentinel: masters change, and machines miss nothing that is still there. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { SharedPresence } from '../../../src/control/channels/presence/shared-presence.ts';
import { Publications } from '../../../src/control/channels/redis/publications.ts';
import { RedisLog } from '../../../src/control/channels/redis/redis-log.ts';
import { createLog } from '../../../src/observe/log.ts';
import type { RedisPlace } from '../../../src/services/store/redis/redis-link.ts';
import { eventually } from '../../harness/eventually.ts';
import { HAS_REDIS, startCluster, startSentinel } from '../../harness/redis-cluster.ts';
import { ask } from '../log-contract.ts';

const HISTORY = { size: 1000, ttl: 0 };
const CHANNELS = ['a', 'b', 'c', 'd', 'e', 'f'];
const quiet = createLog({ write: () => {} } as never, 'silent' as never, {});

function machine(place: RedisPlace) {
  const heard = new Map<string, string[]>(CHANNELS.map((name) => [name, []]));
  const log = new RedisLog({
    place,
    log: quiet,
    onMessage: (channel, { offset, data }) => heard.get(channel)!.push(`${offset} ${data}`),
  });
  onTestFinished(() => log.close());
  for (const name of CHANNELS) log.follow(name);
  return { log, heard };
}

/** Says so many on every channel, by turns on both machines, and says it again as long as it was refused. */
async function say(logs: readonly RedisLog[], from: number, count: number): Promise<void> {
  await Promise.all(
    CHANNELS.map(async (name) => {
      for (let i = from; i < from + count; i++) {
        await eventually(() => logs[i % logs.length]!.append(name, `${i}`, HISTORY).catch(() => null), {
          withinMs: 20_000,
          everyMs: 50,
        });
      }
    }),
  );
}

/** What was refused may have been taken all the same: at least once each, and in order. */
function expectAll(heard: ReadonlyMap<string, string[]>, count: number): void {
  for (const name of CHANNELS) {
    const lines = heard.get(name)!;
    expect(lines.map((line) => Number(line.split(' ')[0]))).toEqual(lines.map((_, i) => i + 1));
    const numbers = lines.map((line) => Number(line.split(' ')[1]));
    expect([...new Set(numbers)]).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  }
}

const heardAll = (heard: ReadonlyMap<string, string[]>, last: number) =>
  expect
    .poll(() => CHANNELS.every((name) => heard.get(name)!.at(-1)?.endsWith(` ${last}`)), { timeout: 15_000 })
    .toBe(true);

describe.skipIf(!HAS_REDIS)('channels are shared', () => {
  it('through a Cluster, also while masters change', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const nodes = cluster.nodes.slice(0, 2).map(({ port }) => ({ host: '127.0.0.1', port }));
    const place: RedisPlace = { cluster: nodes, tls: false };
    const machines = [machine(place), machine(place)];
    for (const { log } of machines) for (const name of CHANNELS) await ask(log, name, null);
    const logs = machines.map(({ log }) => log);
    await say(logs, 0, 50);
    for (const { heard } of machines) {
      await heardAll(heard, 49);
      expectAll(heard, 50);
    }
    for (const { client } of cluster.nodes.slice(3)) await client.cluster('FAILOVER');
    await say(logs, 50, 50);
    for (const { heard } of machines) {
      await heardAll(heard, 99);
      expectAll(heard, 100);
    }

    const publications = new Publications({
      place,
      log: quiet,
      append: (channel, messages, history) => logs[0]!.appendAll(channel, messages, history),
      judge: (_, data) => ({ data, history: HISTORY }),
    });
    onTestFinished(() => publications.close());
    for (const name of CHANNELS) {
      await cluster.nodes[3]!.client.xadd('sluice:publish', '*', 'channel', name, 'data', '100').catch(
        async (error: Error) => {
          const port = Number(/:(\d+)$/.exec(error.message)?.[1]);
          const owner = cluster.nodes.find((node) => node.port === port)!;
          await owner.client.xadd('sluice:publish', '*', 'channel', name, 'data', '100');
        },
      );
    }
    for (const { heard } of machines) await heardAll(heard, 100);

    const events: string[] = [];
    const onPresence = (channel: string, { event }: { event: string }) =>
      void events.push(`${channel} ${event}`);
    const [one, two] = [0, 1].map(() => new SharedPresence({ place, onPresence, log: quiet }));
    onTestFinished(async () => {
      await one!.close();
      await two!.close();
    });
    for (const name of CHANNELS) await two!.watch(name);
    for (const name of CHANNELS) one!.join(name, 1, 's', { id: 'eve', user: 'eve', info: null }, 0);
    await expect
      .poll(() => [...events].sort(), { timeout: 5000 })
      .toEqual(CHANNELS.map((name) => `${name} join`));
    expect((await two!.list('c', '', 10)).members).toMatchObject([{ id: 'eve', sockets: 1 }]);
  }, 90_000);

  it('through Sentinels, also when the master dies', async () => {
    const running = await startSentinel();
    onTestFinished(() => running.stop());
    const [master, , sentinel] = running.nodes;
    const sentinels = [{ host: '127.0.0.1', port: sentinel!.port }];
    const place: RedisPlace = { sentinels, name: 'main', db: 0, tls: false };
    const machines = [machine(place), machine(place)];
    for (const { log } of machines) for (const name of CHANNELS) await ask(log, name, null);
    const logs = machines.map(({ log }) => log);
    await say(logs, 0, 20);
    for (const { heard } of machines) await heardAll(heard, 19);
    // The replica must have it all, or it would have to begin again: that is another test.
    await master!.client.wait(1, 2000);
    master!.kill();
    await say(logs, 20, 20);
    for (const { heard } of machines) {
      await heardAll(heard, 39);
      expectAll(heard, 40);
    }
  }, 60_000);
});
