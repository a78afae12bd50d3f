import { describe, expect, it, onTestFinished } from 'vitest';
import { openReader } from '../../../src/services/store/embedded.ts';
import type { Change } from '../../../src/services/store/record-store.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import { StoredRevocations } from '../../../src/services/store/revocations.ts';
import { StoreWatch } from '../../../src/services/store/store-watch.ts';
import { startProcess } from './other-process.ts';
import { storeFolder } from './store-folder.ts';

async function open(data = storeFolder()) {
  const store = await openStore({ data, redis: null, now: Date.now });
  const reader = openReader(data);
  const watch = new StoreWatch(reader, 1_000_000); // looks when the test says so
  onTestFinished(async () => {
    watch.close();
    await reader.close();
    await store.close();
  });
  return { store, reader, watch };
}

describe('the watch', () => {
  it('tells all changes since the last look at once, and only those', async () => {
    const { store, watch } = await open();
    const heard: (readonly Change[] | null)[] = [];
    const stop = watch.listen((changes) => heard.push(changes));
    watch.look();
    await store.put('key', 'a', 1);
    await store.put('consumer', 'b', 1);
    watch.look();
    watch.look();
    expect(heard).toEqual([
      [
        { kind: 'key', id: 'a' },
        { kind: 'consumer', id: 'b' },
      ],
    ]);
    stop();
    await store.put('key', 'c', 1);
    watch.look();
    expect(heard).toHaveLength(1);
  });

  it('says null when too much has changed', async () => {
    const data = storeFolder();
    const { watch } = await open(data);
    const heard: unknown[] = [];
    watch.listen((changes) => heard.push(changes));
    const writer = startProcess(
      data,
      `
      const { Environment } = await import('${new URL('../../../dist/services/store/environment.js', import.meta.url).href}');
      const environment = Environment.open(data);
      environment.transaction(() => { for (let i = 0; i < 10_001; i++) environment.write('used/x', '1', false); });
      say('done');`,
    );
    await writer.line();
    watch.look();
    expect(heard).toEqual([null]);
  });

  it('hears of a change in another process within a second, by itself', async () => {
    const data = storeFolder();
    const other = startProcess(
      data,
      `
      const watch = new StoreWatch(openReader(data));
      watch.listen((changes) => say(JSON.stringify(changes)));
      setInterval(() => {}, 1000);
      say('ready');`,
    );
    expect(await other.line()).toBe('ready');
    const { store } = await open(data);
    const before = performance.now();
    await store.put('key', 'a', { revokedAt: 1 });
    expect(JSON.parse(await other.line())).toEqual([{ kind: 'key', id: 'a' }]);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('does not keep a process alive', async () => {
    const other = startProcess(storeFolder(), `new StoreWatch(openReader(data)); say('ready');`);
    const left = new Promise((resolve) => other.child.once('exit', resolve));
    expect(await other.line()).toBe('ready');
    expect(await left).toBe(0);
  });
});

describe('revocations', () => {
  it('are what the store says, and tell of their changes and no others', async () => {
    const { store, reader, watch } = await open();
    const revocations = new StoredRevocations(reader, watch);
    let heard = 0;
    revocations.onChange(() => heard++);
    expect(revocations.revokedUser('players', 'ann')).toBe(0);
    await store.put('revocation', 'user:players:ann', { before: 1_800_000_000 });
    await store.put('revocation', 'jti:players:t1', { until: 1_900_000_000 });
    watch.look();
    expect(heard).toBe(1);
    expect(revocations.revokedUser('players', 'ann')).toBe(1_800_000_000);
    expect(revocations.revokedUser('others', 'ann')).toBe(0);
    expect(revocations.revokedToken('players', 't1')).toBe(true);
    expect(revocations.revokedToken('players', 't2')).toBe(false);
    await store.put('session', 's', {});
    watch.look();
    expect(heard).toBe(1);
  });
});
