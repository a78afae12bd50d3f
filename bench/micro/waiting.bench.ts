/**
 * What ten thousand requests that wait for limits cost a worker: `node bench/micro/waiting.bench.ts` after a build. Exits with 1
 * when one of them holds up the event loop for longer than the bar.
 *
 * "At rest" is the share of a core that waiting itself takes; "arrive" what a request costs that goes into the queue behind the
 * others; "longest hold-up" what one turn of the event loop took at most while all of them came to their deadline at the same
 * moment, with 10 us of work for each, as an answer takes. In CPU time of the thread: what else runs on the machine
 * does not count.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

type Memory = typeof import('../../src/services/limits/memory.ts');
type Engine = typeof import('../../src/services/limits/engine.ts');
type Gate = typeof import('../../src/services/limits/gate.ts');
type Arrival = typeof import('../../src/services/limits/queue/arrival.ts');
type Room = typeof import('../../src/services/limits/queue/waiting-room.ts');
type Segments = typeof import('../../src/shared/segment.ts');
type Logs = typeof import('../../src/observe/log.ts');
type Schema = typeof import('../../src/config/schema/limits/limits.ts');
type Exchanges = typeof import('../../src/exchange.ts');

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { LimitMemory, limitLayout, prepareLimits } = (await built('services/limits/memory')) as Memory;
const { LimitEngine } = (await built('services/limits/engine')) as Engine;
const { limitStages } = (await built('services/limits/gate')) as Gate;
const { Queues } = (await built('services/limits/queue/arrival')) as Arrival;
const { WaitingRoom } = (await built('services/limits/queue/waiting-room')) as Room;
const { createSegment } = (await built('shared/segment')) as Segments;
const { createLog } = (await built('observe/log')) as Logs;
const { limit } = (await built('config/schema/limits/limits')) as Schema;
const { Exchange } = (await built('exchange')) as Exchanges;

const CROWD = 10_000;
const DEADLINE_MS = 4_000;
const REST_MS = 2_000;
const ANSWER_US = 10;
const MOST_HELD_UP_MS = 20;

const OPTIONS = { keys: 100_000, workers: 2, holdsPerWorker: 16_384 };
const queue = { max: CROWD, deadline: `${DEADLINE_MS}ms` };

const CROWDS = [
  { title: 'one row', by: ['global'], over: { queue }, holders: 1 },
  {
    title: '1,000 keys that take turns',
    by: ['global'],
    over: { queue: { ...queue, fairBy: ['ip'] } },
    holders: 1,
  },
  { title: '10,000 buckets', by: ['ip'], over: { queue }, holders: CROWD },
];

let missed = false;
for (const crowd of CROWDS) missed = (await measure(crowd)) || missed;
process.exitCode = missed ? 1 : 0;

async function measure({ title, by, over, holders }: (typeof CROWDS)[number]): Promise<boolean> {
  const segment = createSegment(limitLayout(OPTIONS));
  prepareLimits(segment, OPTIONS);
  const memory = new LimitMemory(segment, 1, 'evict-oldest');
  const engine = new LimitEngine(memory.table, memory.holds);
  const room = new WaitingRoom(memory, engine.decision);
  const env = {
    log: createLog({ write: () => {} }, 'info', {}),
    decided: () => ({ throttled: 0, kept: 0, released: 0 }),
    strict: null,
    memory,
    engine,
    headers: 'standard' as const,
    counter: () => ({ admitted: 0, refused: 0, shadowed: 0, noRoom: 0 }),
    queues: new Queues(room, engine.decision, memory.hasher(false)),
  };
  const config = limit.parse({ by, algorithm: 'concurrency', max: 1, over });
  const route = { name: 'r', service: 's', paramNames: [] };
  const check = limitStages([{ name: 'one', config }], env, route).onArrival;
  const ask = (i: number) => {
    const x = new Exchange(0);
    x.clientIp = `10.${holders === 1 ? 0 : i >> 16}.${(i >> 8) % (holders === 1 ? 4 : 256)}.${i & 255}`;
    return check?.(x);
  };
  for (let i = 0; i < holders; i++) ask(i);
  let ended = 0;
  const beganAt = performance.now();
  for (let i = 0; i < CROWD; i++) {
    void Promise.resolve(ask(i)).then(() => {
      ended++;
      const until = performance.now() + ANSWER_US / 1_000;
      while (performance.now() < until);
    });
  }
  const arriveUs = ((performance.now() - beganAt) * 1_000) / CROWD;
  if (room.waiting !== CROWD) throw new Error(`${room.waiting} wait, not ${CROWD}`);
  const before = process.cpuUsage();
  await sleep(REST_MS);
  const { user, system } = process.cpuUsage(before);
  let longestMs = 0;
  let spent = process.threadCpuUsage();
  while (ended < CROWD) {
    await nextTurn();
    const now = process.threadCpuUsage();
    longestMs = Math.max(longestMs, (now.user + now.system - spent.user - spent.system) / 1_000);
    spent = now;
  }
  segment.close();
  const share = ((user + system) / 10 / REST_MS).toFixed(1);
  const slow = longestMs > MOST_HELD_UP_MS;
  console.log(
    `${title.padEnd(28)} arrive ${arriveUs.toFixed(1)} us  at rest ${share} % of a core  ` +
      `longest hold-up ${longestMs.toFixed(1)} ms (bar ${MOST_HELD_UP_MS})${slow ? '  SLOWER' : ''}`,
  );
  return slow;
}
