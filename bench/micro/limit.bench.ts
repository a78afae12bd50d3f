/**
 * How long one decision about a limit takes while four processes decide over one memory at once:
 * `node bench/micro/limit.bench.ts` after a build. Exits with 1 when a bar is passed.
 *
 * p50 is of batches of 64 decisions, divided: the clock's own cost does not count, but reading it once per decision
 * does, as a request has to. p99 is of single decisions, each between two readings of the clock, of which one counts. Where
 * there are fewer cores than processes, one that is put aside by the system in the middle of a decision takes
 * milliseconds for it; that is one of some ten thousand, and shows in the maximum, not in p99.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

type Memory = typeof import('../../src/services/limits/memory.ts');
type Engine = typeof import('../../src/services/limits/engine.ts');
type Bucket = typeof import('../../src/services/limits/algorithms/token-bucket.ts');
type Window = typeof import('../../src/services/limits/algorithms/sliding-window.ts');
type Segments = typeof import('../../src/shared/segment.ts');

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { LimitMemory, limitLayout, prepareLimits } = (await built('services/limits/memory')) as Memory;
const { LimitEngine } = (await built('services/limits/engine')) as Engine;
const { TokenBucket } = (await built('services/limits/algorithms/token-bucket')) as Bucket;
const { SlidingWindow } = (await built('services/limits/algorithms/sliding-window')) as Window;
const { createSegment, openSegment } = (await built('shared/segment')) as Segments;

const PROCESSES = 4;
const OPTIONS = { keys: 1_000_000, workers: PROCESSES, holdsPerWorker: 1_024 };
const BATCH = 64;
const WARM_UP_MS = 700;
const MEASURE_MS = 1_500;
/** Microseconds. */
const BARS = { p50: 0.6, p99: 2 };
/** Histograms have steps of 10 ns, up to 100 us. */
const STEP_US = 0.01;
const STEPS = 10_000;

interface Mix {
  title: string;
  keys: number;
  /** Each decision about a key that nobody has asked for. */
  fresh?: boolean;
  limits?: number;
  window?: boolean;
  /** Tokens in a second; far more than are asked for, unless said. */
  rate?: number;
  barred: boolean;
}

const MIXES: Mix[] = [
  { title: 'one key', keys: 1, barred: true },
  { title: '100,000 keys', keys: 100_000, barred: true },
  { title: 'one key, refused', keys: 1, rate: 1_000, barred: false },
  { title: 'a new key each time', keys: 1, fresh: true, barred: false },
  { title: '100,000 keys, three limits', keys: 100_000, limits: 3, barred: false },
  { title: 'sliding window, one key', keys: 1, window: true, barred: false },
];

interface Report {
  batches: number[];
  singles: number[];
  asked: number;
  admitted: number;
  longestUs: number;
}

if (process.send === undefined) await main();
else serve();

async function main(): Promise<void> {
  const segment = createSegment(limitLayout(OPTIONS));
  if (!segment.shared) throw new Error(`no shared memory: ${segment.reason}`);
  prepareLimits(segment, OPTIONS);
  const children = Array.from({ length: PROCESSES }, (_, i) =>
    fork(fileURLToPath(import.meta.url), [segment.path as string, String(i + 1)]),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  console.log(`${PROCESSES} processes on ${availableParallelism()} cores, us per decision\n`);
  let slow = false;
  for (const mix of MIXES) slow = (await measure(children, mix)) || slow;
  const { table } = new LimitMemory(segment, 0, 'evict-oldest');
  console.log(`\ntable: ${JSON.stringify(table.counts())}`);
  for (const child of children) child.kill();
  segment.close();
  if (slow) process.exitCode = 1;
}

/** True: slower than the bar. */
async function measure(children: ChildProcess[], mix: Mix): Promise<boolean> {
  const answers = Promise.all(children.map(async (child) => (await once(child, 'message'))[0] as Report));
  for (const child of children) child.send(mix);
  const reports = await answers;
  const merged = (what: 'batches' | 'singles') =>
    Array.from({ length: STEPS }, (_, i) =>
      reports.reduce((sum, report) => sum + (report[what][i] as number), 0),
    );
  const total = (what: 'asked' | 'admitted') => reports.reduce((sum, report) => sum + report[what], 0);
  const p50 = quantile(merged('batches'), 0.5);
  const p99 = quantile(merged('singles'), 0.99);
  const longest = Math.max(...reports.map(({ longestUs }) => longestUs));
  const slow = mix.barred && (p50 > BARS.p50 || p99 > BARS.p99);
  const bar = mix.barred ? `  (bar ${BARS.p50} / ${BARS.p99})${slow ? '  SLOWER' : ''}` : '';
  const share = ((100 * total('admitted')) / total('asked')).toFixed(1);
  console.log(
    `${mix.title.padEnd(28)} p50 ${p50.toFixed(2)}  p99 ${p99.toFixed(2)}  max ${longest.toFixed(0)}  ` +
      `${(total('asked') / MEASURE_MS / 1_000).toFixed(1)} M/s, ${share} % admitted${bar}`,
  );
  return slow;
}

function quantile(histogram: number[], part: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let i = 0; i < STEPS; i++) {
    seen += histogram[i] as number;
    if (seen >= total * part) return i * STEP_US;
  }
  return STEPS * STEP_US;
}

/** One of the processes. */
function serve(): void {
  const [path, id] = process.argv.slice(2) as [string, string];
  const memory = new LimitMemory(openSegment(path), Number(id), 'evict-oldest');
  process.on('message', (mix) => process.send?.(decideFor(memory, mix as Mix, Number(id))));
  process.send?.('ready');
}

function decideFor(memory: InstanceType<Memory['LimitMemory']>, mix: Mix, worker: number): Report {
  const { clock, table } = memory;
  const engine = new LimitEngine(table, memory.holds);
  const count = mix.limits ?? 1;
  const limits = Array.from({ length: count }, () => ({
    algorithm: mix.window
      ? new SlidingWindow(table, 4_000_000_000, 1_000)
      : new TokenBucket(table, mix.rate ?? 10_000_000, 1_000, mix.rate ?? 10_000_000),
    shadow: false,
  }));
  // Small, so that nothing is refused; the arithmetic is the same.
  const costs = new Float64Array(count).fill(mix.window || mix.rate !== undefined ? 1 : 0.01);
  const hashes = new Int32Array(2 * count);
  let turn = worker * 7_919;
  const next = () => {
    turn = mix.fresh ? turn + PROCESSES : (turn + 7_919) % mix.keys;
    for (let i = 0; i < count; i++) {
      const seed = mix.fresh ? turn + 1e9 : turn + i * 1_000_003 + mix.keys * 3;
      hashes[2 * i] = scrambled(seed, 0x9e3779b1);
      hashes[2 * i + 1] = scrambled(seed, 0x85ebca77);
    }
  };
  const report: Report = {
    batches: new Array(STEPS).fill(0),
    singles: new Array(STEPS).fill(0),
    asked: 0,
    admitted: 0,
    longestUs: 0,
  };
  const note = (into: number[], us: number) => {
    const step = Math.min(STEPS - 1, Math.floor(us / STEP_US));
    (into[step] as number)++;
  };
  const run = (forMs: number, counted: boolean) => {
    const end = clock.now() + forMs;
    for (let now = clock.now(); now < end; now = clock.now()) {
      const begin = clock.now();
      for (let i = 0; i < BATCH; i++) {
        next();
        report.admitted += Number(engine.decide(limits, hashes, costs, clock.now()).admitted);
      }
      const batchUs = ((clock.now() - begin) * 1_000) / BATCH;
      for (let i = 0; i < BATCH; i++) {
        next();
        const before = clock.now();
        report.admitted += Number(engine.decide(limits, hashes, costs, before).admitted);
        const us = (clock.now() - before) * 1_000;
        if (us > report.longestUs) report.longestUs = us;
        note(report.singles, us);
      }
      note(report.batches, batchUs);
      report.asked += 2 * BATCH;
    }
    if (!counted) {
      report.batches.fill(0);
      report.singles.fill(0);
      report.asked = 0;
      report.admitted = 0;
      report.longestUs = 0;
    }
  };
  run(WARM_UP_MS, false);
  run(MEASURE_MS, true);
  return report;
}

/** Stands for the hash of a key: its bits are as random. */
function scrambled(value: number, factor: number): number {
  let h = Math.imul(value | 0, factor);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
