import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openReader } from '../../../src/services/store/embedded.ts';
import type { RecordStore } from '../../../src/services/store/record-store.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import { startProcess } from './other-process.ts';
import { storeFolder } from './store-folder.ts';

const NOW = 1_800_000_000_000;

async function open(data = storeFolder(), now = () => NOW): Promise<RecordStore> {
  const store = await openStore({ data, redis: null, now });
  onTestFinished(() => store.close());
  return store;
}

describe('records', () => {
  it('are there as soon as writing resolves, and after opening the folder again', async () => {
    const data = storeFolder();
    const store = await openStore({ data, redis: null, now: Date.now });
    await store.put('consumer', 'acme', { name: 'acme', roles: ['a', 'b'] });
    expect(store.get('consumer', 'acme')).toEqual({ name: 'acme', roles: ['a', 'b'] });
    expect(store.get('key', 'acme')).toBeUndefined();
    await store.close();
    expect((await open(data)).get('consumer', 'acme')).toEqual({ name: 'acme', roles: ['a', 'b'] });
  });

  it('take any text in an id', async () => {
    const store = await open();
    const ids = ['', '\0', 'a\0b', 'ü/ß', '日本', '\u{1f600}', 'x'.repeat(600), '\uffff', ' '];
    for (const id of ids) await store.put('session', id, { id });
    for (const id of ids) expect(store.get('session', id)).toEqual({ id });
    expect([...store.list('session')]).toHaveLength(ids.length);
  });

  it('refuse an id that is too long, and do not have it', async () => {
    const store = await open();
    await expect(store.put('session', 'x'.repeat(10_000), {})).rejects.toThrow(
      'a session cannot have an id of 10000 characters',
    );
    expect(store.get('session', 'x'.repeat(10_000))).toBeUndefined();
    expect(store.revision()).toBe(0);
  });

  it('are listed in order of ids, by kind and by the beginning of the id', async () => {
    const store = await open();
    for (const id of ['b', 'a', 'a:2', 'a:1', 'c']) await store.put('user-session', id, id.toUpperCase());
    await store.put('used', 'a', 1);
    expect([...store.list('user-session')]).toEqual([
      ['a', 'A'],
      ['a:1', 'A:1'],
      ['a:2', 'A:2'],
      ['b', 'B'],
      ['c', 'C'],
    ]);
    expect(Array.from(store.list('user-session', 'a:'), ([id]) => id)).toEqual(['a:1', 'a:2']);
    expect([...store.list('consumer')]).toEqual([]);
  });

  it('say whether there was one to remove', async () => {
    const store = await open();
    await store.put('key', 'k', 1);
    expect(await store.remove('key', 'k')).toBe(true);
    expect(await store.remove('key', 'k')).toBe(false);
    expect(store.get('key', 'k')).toBeUndefined();
  });
});

describe('update', () => {
  it('gives what is there, stores what comes back, and leaves it alone for undefined', async () => {
    const store = await open();
    expect(await store.update<number>('used', 'n', (now) => (now ?? 0) + 1)).toBe(1);
    expect(await store.update<number>('used', 'n', (now) => (now ?? 0) + 1)).toBe(2);
    expect(await store.update<number>('used', 'n', () => undefined)).toBe(2);
    expect(store.revision()).toBe(2);
  });

  it('rejects with what it is thrown, and has changed nothing', async () => {
    const store = await open();
    await store.put('used', 'n', 1);
    const failing = store.update('used', 'n', () => {
      throw new Error('not like this');
    });
    await expect(failing).rejects.toThrow('not like this');
    expect(store.get('used', 'n')).toBe(1);
    await store.put('used', 'n', 2);
    expect(store.get('used', 'n')).toBe(2);
  });

  it('loses nothing when several processes count at once', async () => {
    const data = storeFolder();
    const count = `
      const store = await openStore({ data, redis: null, now: Date.now });
      for (let i = 0; i < 200; i++) await store.update('used', 'n', (now) => (now ?? 0) + 1);
      await store.close();
      say('done');`;
    const others = [startProcess(data, count), startProcess(data, count), startProcess(data, count)];
    for (const other of others) expect(await other.line()).toBe('done');
    const store = await open(data);
    expect(store.get('used', 'n')).toBe(600);
    expect(store.revision()).toBe(600);
  });
});

describe('changes', () => {
  it('are told since a revision, each record once', async () => {
    const store = await open();
    await store.put('key', 'a', 1);
    const from = store.revision();
    await store.put('key', 'a', 2);
    await store.put('key', 'a/b', 3);
    await store.remove('key', 'a');
    expect(store.changesSince(from)).toEqual({
      revision: from + 3,
      all: false,
      changes: [
        { kind: 'key', id: 'a' },
        { kind: 'key', id: 'a/b' },
      ],
    });
    expect(store.changesSince(from + 3)).toEqual({ revision: from + 3, all: false, changes: [] });
  });

  it('do not come from quiet writes', async () => {
    const store = await open();
    await store.quiet('used', 'a', { at: 1 });
    await store.update('used', 'b', () => ({ at: 2 }), { quiet: true });
    expect(store.revision()).toBe(0);
    expect(store.get('used', 'a')).toEqual({ at: 1 });
    expect(store.get('used', 'b')).toEqual({ at: 2 });
  });

  it('are all when the reader is too far behind, or ahead of a store that was replaced', async () => {
    const data = storeFolder();
    const writer = startProcess(
      data,
      `
      const { Environment } = await import('${new URL('../../../dist/services/store/environment.js', import.meta.url).href}');
      const environment = Environment.open(data);
      environment.transaction(() => {
        for (let i = 0; i < 10_001; i++) environment.write('used/' + i, '1', false);
      });
      await environment.close();
      say('done');`,
    );
    await writer.line();
    const store = await open(data);
    expect(store.changesSince(0)).toEqual({ revision: 10_001, all: true, changes: [] });
    expect(store.changesSince(1).changes).toHaveLength(10_000);
    expect(store.changesSince(20_000)).toEqual({ revision: 10_001, all: true, changes: [] });
  });
});

describe('lock', () => {
  it('is for one at a time, until it is given back or runs out', async () => {
    let now = NOW;
    const store = await open(storeFolder(), () => now);
    const release = await store.lock('refresh', 1000);
    expect(release).not.toBeNull();
    expect(await store.lock('refresh', 1000)).toBeNull();
    expect(await store.lock('other', 1000)).not.toBeNull();
    now += 1000;
    const second = await store.lock('refresh', 1000);
    expect(second).not.toBeNull();
    await release?.(); // too late: it is another's
    expect(await store.lock('refresh', 1000)).toBeNull();
    await second?.();
    expect(await store.lock('refresh', 1000)).not.toBeNull();
  });
});

describe('the folder', () => {
  it('is made, for its owner only', async () => {
    const data = join(storeFolder(), 'deep', 'data');
    await open(data);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(statSync(join(data, 'records.mdb')).mode & 0o777).toBe(0o600);
  });

  it('that is a file, or cannot be made, is said so', async () => {
    const folder = storeFolder();
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(open(file)).rejects.toThrow(`data: ${file} cannot be opened: it is not a folder`);
    await expect(open('/proc/sluice')).rejects.toThrow(/^data: \/proc\/sluice cannot be opened: /);
  });

  it.skipIf(process.getuid?.() === 0)('that is not ours is said so', async () => {
    const folder = join(storeFolder(), 'closed');
    mkdirSync(folder);
    chmodSync(folder, 0o500);
    await expect(open(folder)).rejects.toThrow('this user may not read and write there');
  });

  it('with something else in it is said so, and the process lives', async () => {
    const folder = storeFolder();
    writeFileSync(join(folder, 'records.mdb'), 'x'.repeat(10_000));
    await expect(open(folder)).rejects.toThrow(`data: ${folder} cannot be opened: `);
  });
});

describe('a writer that dies', () => {
  it('in the middle leaves whole records, and the store open to others', async () => {
    const data = storeFolder();
    const writing = `
      const store = await openStore({ data, redis: null, now: Date.now });
      for (let i = 0; ; i++) {
        await store.put('key', 'k' + (i % 50), { i, text: 'x'.repeat(2000), same: i });
        if (i === 100) say('going');
      }`;
    for (let round = 0; round < 5; round++) {
      const writer = startProcess(data, writing);
      expect(await writer.line()).toBe('going');
      writer.child.kill('SIGKILL');
      const store = await openStore({ data, redis: null, now: Date.now });
      await store.put('consumer', 'after', round);
      const records = [...store.list<{ i: number; same: number }>('key')];
      expect(records).toHaveLength(50);
      for (const [, { i, same }] of records) expect(same).toBe(i);
      const { changes, all } = store.changesSince(store.revision() - 1);
      expect({ changes, all }).toEqual({ changes: [{ kind: 'consumer', id: 'after' }], all: false });
      await store.close();
    }
  });
});

describe('a reader', () => {
  it('sees what another process writes, also when the file grows', async () => {
    const data = storeFolder();
    const store = await open(data);
    const other = startProcess(
      data,
      `
      const reader = openReader(data);
      const watch = new StoreWatch(reader);
      watch.listen((changes) => {
        if (reader.get('consumer', 'end')) say([...reader.list('session')].length);
      });
      setInterval(() => {}, 1000);
      say('ready');`,
    );
    expect(await other.line()).toBe('ready');
    for (let i = 0; i < 300; i++) await store.put('session', `s${i}`, 'x'.repeat(50_000));
    await store.put('consumer', 'end', 1);
    expect(await other.line()).toBe('300');
  });

  it('shares the file with a writer of the same process, whichever closes first', async () => {
    const data = storeFolder();
    const store = await openStore({ data, redis: null, now: Date.now });
    const reader = openReader(data);
    await store.put('key', 'k', 1);
    expect(reader.get('key', 'k')).toBe(1);
    await store.close();
    expect(reader.get('key', 'k')).toBe(1);
    await reader.close();
  });
});

describe('quiet writes', () => {
  it('go along with loud ones, however many there are at once', async () => {
    const store = await open();
    const quiet = Array.from({ length: 2000 }, async (_, i) => {
      if (i % 100 === 0) await store.put('key', `k${i}`, i);
      await store.quiet('used', `u${i}`, { at: i });
    });
    await Promise.all(quiet);
    expect([...store.list('used')]).toHaveLength(2000);
    expect([...store.list('key')]).toHaveLength(20);
    expect(store.revision()).toBe(20);
  });
});
