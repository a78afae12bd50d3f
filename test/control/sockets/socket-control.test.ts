/** Sockets of several workers as one list. */
import { describe, expect, it } from 'vitest';
import type { SocketCalls, SocketView } from '../../../src/bus/socket-calls.ts';
import { SocketControl, workerOf } from '../../../src/control/sockets/socket-control.ts';
import type { WorkerState } from '../../../src/control/worker-slot.ts';

const idOf = (worker: number, number: number) => `${worker}-0123456789-${number.toString(36)}`;

/** Workers with so many sockets; null: it does not answer; 'starting': it is not ready. */
function withWorkers(...workers: (number | null | 'starting')[]) {
  const asked: number[] = [];
  const ask = async (worker: number, name: string, argument: SocketCalls['listSockets'][0]) => {
    asked.push(worker);
    const count = workers[worker - 1];
    if (typeof count !== 'number') return null;
    if (name === 'closeSockets') return count;
    const after = argument.after === '' ? 0 : Number.parseInt(argument.after.split('-')[2] as string, 36);
    const all = Array.from({ length: count }, (_, i) => ({ id: idOf(worker, i + 1), worker }) as SocketView);
    return all.slice(after, after + argument.limit);
  };
  const views = () =>
    workers.map((worker, i) => ({
      id: i + 1,
      state: (worker === 'starting' ? 'starting' : 'ready') as WorkerState,
    }));
  return { asked, control: new SocketControl(() => ({ ask, views }) as never) };
}

async function pages(control: SocketControl, limit: number): Promise<string[][]> {
  const found: string[][] = [];
  for (let after = ''; found.length < 20; ) {
    const { sockets, next } = await control.page({}, after, limit, null);
    found.push(sockets.map(({ id }) => id));
    if (next === null) return found;
    after = next;
  }
  return found;
}

describe('a list of sockets', () => {
  it.each([
    [3, [4, 0, 5, 1], 4],
    [5, [5, 5], 2],
    [10, [4, 4], 1],
    [1, [2, 1], 3],
    [7, [0, 0], 1],
  ])(
    'of %i a page from workers with %j has %i pages, and each socket once',
    async (limit, counts, expected) => {
      const found = await pages(withWorkers(...counts).control, limit);
      const all = counts.flatMap((count, w) => Array.from({ length: count }, (_, i) => idOf(w + 1, i + 1)));
      expect(found.flat()).toEqual(all);
      expect(found).toHaveLength(expected);
    },
  );

  it('names workers that have not answered, and leaves out those that only start', async () => {
    const { control, asked } = withWorkers(2, null, 'starting', 1);
    const page = await control.page({}, '', 10, null);
    expect(page).toMatchObject({ next: null, late: [2] });
    expect(page.sockets).toHaveLength(3);
    expect(asked).toEqual([1, 2, 4]);
    expect(await control.close({ user: 'ann' }, 1008, '')).toEqual({ closed: 3, late: [2] });
  });

  it('is of one worker, if asked so', async () => {
    const { control, asked } = withWorkers(2, 3);
    expect((await control.page({}, '', 10, 2)).sockets).toHaveLength(3);
    expect(asked).toEqual([2]);
  });
});

describe('one socket', () => {
  it('is asked for where its id says', async () => {
    const { control, asked } = withWorkers(2, 3);
    await control.find(idOf(2, 1));
    await control.close({ id: idOf(1, 1) }, 1008, '');
    expect(asked).toEqual([2, 1]);
    expect(['', 'x', '1', '0-0123456789-1', `${idOf(1, 1)} `].map(workerOf)).toEqual([0, 0, 0, 0, 0]);
  });
});
