/** A process of bench/limits: decides over the memory of its parent, as a worker does, and says how it went. */
import { readFileSync } from 'node:fs';

type Memory = typeof import('../../src/services/limits/memory.ts');
type Engine = typeof import('../../src/services/limits/engine.ts');
type Bucket = typeof import('../../src/services/limits/algorithms/token-bucket.ts');
type Segments = typeof import('../../src/shared/segment.ts');

/** One key, asked at a steady pace. */
export interface SteadyErrand {
  readonly kind: 'steady';
  /** Of the limit. */
  readonly rate: number;
  readonly burst: number;
  /** Decisions asked for in a second, by this process. */
  readonly pace: number;
  /** Of the machine's clock, in milliseconds. */
  readonly from: number;
  readonly to: number;
}

/** Keys that nobody has asked for, at a steady pace; and between them one of those so far, by chance. */
export interface FreshErrand {
  readonly kind: 'fresh';
  readonly keys: number;
  readonly slices: number;
  readonly from: number;
  readonly to: number;
}

export type Errand = SteadyErrand | FreshErrand;

export interface SteadyReport {
  readonly asked: number;
  readonly admitted: number;
  /** When it first and last asked. */
  readonly first: number;
  readonly last: number;
}

/** For each slice of the time. Microseconds. */
export interface FreshReport {
  readonly fresh: number[][];
  readonly known: number[][];
  readonly asked: number;
  readonly admitted: number;
  /** Of this process' own memory, after each slice. */
  readonly privateBytes: number[];
}

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { LimitMemory } = (await built('services/limits/memory')) as Memory;
const { LimitEngine } = (await built('services/limits/engine')) as Engine;
const { TokenBucket } = (await built('services/limits/algorithms/token-bucket')) as Bucket;
const { openSegment } = (await built('shared/segment')) as Segments;

const [path, worker] = process.argv.slice(2) as [string, string];
const memory = new LimitMemory(openSegment(path), Number(worker), 'evict-oldest');
const { clock, table } = memory;
const engine = new LimitEngine(table, memory.holds);
const costs = Float64Array.of(1);
const hashes = new Int32Array(2);

process.on('message', (errand: Errand) => {
  process.send?.(errand.kind === 'steady' ? askSteadily(errand) : askForFresh(errand));
});
process.send?.('ready');

function askSteadily({ rate, burst, pace, from, to }: SteadyErrand): SteadyReport {
  const limits = [{ algorithm: new TokenBucket(table, rate, 1_000, burst), shadow: false }];
  hashes.set([0x1234567, 0x89abcde]);
  let asked = 0;
  let admitted = 0;
  let first = 0;
  let last = 0;
  for (let now = clock.now(); now < to; now = clock.now()) {
    if (now < from || asked >= ((now - from) * pace) / 1_000) continue;
    if (asked++ === 0) first = now;
    last = now;
    if (engine.decide(limits, hashes, costs, now).admitted) admitted++;
  }
  return { asked, admitted, first, last };
}

function askForFresh({ keys, slices, from, to }: FreshErrand): FreshReport {
  // A bucket that is empty for a minute: its key is in the table for as long.
  const limits = [{ algorithm: new TokenBucket(table, 1, 60_000, 1), shadow: false }];
  // Written beforehand: not to be taken for memory that limits need.
  const room = Math.ceil(keys / slices) + 1;
  const fresh = Array.from({ length: slices }, () => new Float64Array(room).fill(1));
  const known = Array.from({ length: slices }, () => new Float64Array(room).fill(1));
  const counts = new Int32Array(slices);
  const privateBytes: number[] = [];
  let asked = 0;
  let admitted = 0;
  const decide = (key: number): number => {
    const seed = key * 64 + Number(worker);
    hashes[0] = scrambled(seed, 0x9e3779b1);
    hashes[1] = scrambled(seed, 0x85ebca77);
    const before = clock.now();
    if (engine.decide(limits, hashes, costs, before).admitted) admitted++;
    return (clock.now() - before) * 1_000;
  };
  for (let now = clock.now(); asked < keys; now = clock.now()) {
    if (now < from || asked >= ((now - from) * keys) / (to - from)) continue;
    const slice = Math.min(slices - 1, Math.floor((asked * slices) / keys));
    if (slice > privateBytes.length) privateBytes.push(ownBytes());
    const at = counts[slice] as number;
    (fresh[slice] as Float64Array)[at] = decide(asked);
    (known[slice] as Float64Array)[at] = decide(Math.floor(Math.random() * (asked + 1)));
    counts[slice] = at + 1;
    asked++;
  }
  privateBytes.push(ownBytes());
  const summary = (slice: Float64Array, i: number): number[] => {
    const sorted = slice.slice(0, counts[i]).sort();
    return [0.5, 0.99].map((part) => sorted[Math.floor(sorted.length * part)] as number);
  };
  return { fresh: fresh.map(summary), known: known.map(summary), asked, admitted, privateBytes };
}

function ownBytes(): number {
  const text = readFileSync('/proc/self/status', 'latin1');
  return Number(/^RssAnon:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
}

/** Stands for the hash of a key: its bits are as random. */
function scrambled(value: number, factor: number): number {
  let h = Math.imul((value % 2 ** 32) | 0, factor);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
