/** Several processes over one memory: exact together, and a million keys. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Bar, mebibytes, table } from '../report.ts';
import { median } from '../statistics.ts';
import type { Errand, FreshReport, SteadyReport } from './asker.ts';

type Memory = typeof import('../../src/services/limits/memory.ts');
type Segments = typeof import('../../src/shared/segment.ts');
type Counts = ReturnType<InstanceType<Memory['LimitMemory']>['table']['counts']>;

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const SCRIPT = fileURLToPath(new URL('./asker.ts', import.meta.url));
const PROCESSES = 4;
/** Until all have begun. */
const LEAD_MS = 300;

/** What the processes say to an errand; `counts` of the table after it. */
async function send<R>(
  keys: number,
  errandFor: (now: number) => Errand,
): Promise<{ reports: R[]; counts: Counts; segmentBytes: number }> {
  const { LimitMemory, limitLayout, prepareLimits } = (await built('services/limits/memory')) as Memory;
  const { createSegment } = (await built('shared/segment')) as Segments;
  const options = { keys, workers: PROCESSES, holdsPerWorker: 1_024 };
  const segment = createSegment(limitLayout(options));
  if (segment.path === null) throw new Error(`no shared memory: ${segment.reason}`);
  prepareLimits(segment, options);
  const memory = new LimitMemory(segment, 0, 'evict-oldest');
  const path = segment.path;
  const children = Array.from({ length: PROCESSES }, (_, i) => fork(SCRIPT, [path, String(i + 1)]));
  try {
    await Promise.all(children.map((child) => once(child, 'message')));
    const answers = Promise.all(children.map(answerOf<R>));
    const errand = errandFor(memory.clock.now() + LEAD_MS);
    for (const child of children) child.send(errand);
    const reports = await answers;
    return { reports, counts: memory.table.counts(), segmentBytes: statSync(path).size };
  } finally {
    for (const child of children) child.kill();
    segment.close();
  }
}

async function answerOf<R>(child: ChildProcess): Promise<R> {
  return (await once(child, 'message'))[0] as R;
}

const RATE = 1_000;
const TIMES_OVER = 10;

/** One key, ten times its limit: what is admitted is `rate x time + burst`. */
export async function measureExactness(seconds: number): Promise<Bar> {
  // A second of tokens: as long a time may the system let none of the four run.
  const burst = RATE;
  const { reports } = await send<SteadyReport>(1_000, (from) => ({
    kind: 'steady',
    rate: RATE,
    burst,
    pace: (RATE * TIMES_OVER) / PROCESSES,
    from,
    to: from + seconds * 1_000,
  }));
  const sum = (what: 'asked' | 'admitted') => reports.reduce((total, report) => total + report[what], 0);
  const first = Math.min(...reports.map((report) => report.first));
  const last = Math.max(...reports.map((report) => report.last));
  const wanted = burst + (RATE * (last - first)) / 1_000;
  const off = sum('admitted') - wanted;
  const times = sum('asked') / ((RATE * (last - first)) / 1_000);
  return {
    what: `exactness: ${PROCESSES} processes, one key, ${seconds} s at ${times.toFixed(1)} x the limit, ${RATE}/s`,
    bar: 'within 1 request or 0.1 %',
    measured: `${sum('admitted')} admitted, ${off.toFixed(1)} more than rate x time + burst`,
    met: Math.abs(off) <= Math.max(1, wanted * 0.001) && times > TIMES_OVER * 0.95,
  };
}

const KEYS = 1_000_000;
const SLICES = 6;
/** What counts as unchanged: as it takes a part of this more, or this many microseconds. The processor's caches hold less than the table. */
const NOISE = { part: 0.2, us: 0.3 };

/** A million keys in a minute, all in use at its end. Figures are medians of the processes. */
export async function measureManyKeys(seconds: number): Promise<{ bars: Bar[]; table: string }> {
  const { reports, counts, segmentBytes } = await send<FreshReport>(KEYS, (from) => ({
    kind: 'fresh',
    keys: KEYS / PROCESSES,
    slices: SLICES,
    from,
    to: from + seconds * 1_000,
  }));
  const at = (kind: 'fresh' | 'known', slice: number, quantile: number) =>
    median(reports.map((report) => report[kind][slice]?.[quantile] as number));
  const grown = Math.max(
    ...reports.map(({ privateBytes }) => (privateBytes.at(-1) as number) - (privateBytes[1] as number)),
  );
  const last = SLICES - 1;
  // In the first slice code is compiled.
  const change = (kind: 'fresh' | 'known') => at(kind, last, 0) - at(kind, 1, 0);
  const unchanged = (['fresh', 'known'] as const).every(
    (kind) => change(kind) <= Math.max(NOISE.us, NOISE.part * at(kind, 1, 0)),
  );
  const admitted = reports.reduce((sum, report) => sum + report.admitted, 0);
  const bars: Bar[] = [
    {
      what: `${KEYS.toLocaleString('en')} distinct keys in ${seconds} s: memory`,
      bar: 'the configured segment',
      measured: `segment ${mebibytes(segmentBytes)} from first to last; a process' own memory ${mebibytes(grown)} more; ${counts.evicted} evicted, ${counts.rejected} without room, ${admitted} admitted`,
      met:
        grown < 8 * 2 ** 20 && counts.rejected === 0 && admitted >= KEYS && admitted - KEYS <= counts.evicted,
    },
    {
      what: `${KEYS.toLocaleString('en')} distinct keys in ${seconds} s: decision time`,
      bar: `unchanged (p50 within ${NOISE.us} us or ${NOISE.part * 100} %)`,
      measured: `known key ${signed(change('known'))} us, new key ${signed(change('fresh'))} us`,
      met: unchanged,
    },
  ];
  const rows = Array.from({ length: SLICES }, (_, slice) => [
    `${Math.round((slice * KEYS) / SLICES / 1_000)},000`,
    ...(['known', 'fresh'] as const).flatMap((kind) => [0, 1].map((q) => at(kind, slice, q).toFixed(2))),
  ]);
  const header = ['keys from', 'known key: p50 us', 'p99', 'new key: p50 us', 'p99'];
  return { bars, table: table(header, rows) };
}

const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(2)}`;
