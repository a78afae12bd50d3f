/** What operators change by the command line, told to the gateway: it writes the audit log, and may not be running. */
import { randomUUID } from 'node:crypto';
import type { RecordStore } from '../store/record-store.js';

/** Members of a line of the audit log. Never a secret in it. */
export type Notice = Readonly<Record<string, unknown>>;

/** Resolves when it is stored. `now`: milliseconds since 1970. */
export async function leaveNotice(store: RecordStore, notice: Notice, now: number): Promise<void> {
  // In the order of their ids they are written.
  const id = `${String(now).padStart(15, '0')}:${randomUUID()}`;
  await store.put('notice', id, { ...notice, at: new Date(now).toISOString() });
}

/** Hands over each notice once: with Redis all machines see them, and the one that takes it out has it. */
export async function takeNotices(store: RecordStore, write: (notice: Notice) => void): Promise<void> {
  for (const [id, notice] of [...store.list<Notice>('notice')]) {
    if (await store.remove('notice', id)) write(notice);
  }
}
