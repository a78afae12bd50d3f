import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RecordStore } from '../../../src/services/store/record-store.ts';
import { openStore } from '../../../src/services/store/replica.ts';

/** The embedded store in a folder of its own, whose disk can fill up. */
export interface TestStore extends RecordStore {
  /** Writes fail. */
  full: boolean;
}

const WRITES = new Set<PropertyKey>(['put', 'remove', 'update', 'quiet', 'lock']);

export async function openTestStore(now: () => number, redis: string | null = null): Promise<TestStore> {
  const data = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const store = await openStore({ data, redis, now });
  onTestFinished(async () => {
    await store.close();
    rmSync(data, { recursive: true, force: true });
  });
  const disk = { full: false };
  return new Proxy(store as TestStore, {
    get(_, name) {
      if (disk.full && WRITES.has(name)) return () => Promise.reject(new Error('the disk is full'));
      const member: unknown = Reflect.get(store, name);
      return typeof member === 'function' ? member.bind(store) : member;
    },
    set: (_, name, value) => Reflect.set(disk, name, value),
  });
}
