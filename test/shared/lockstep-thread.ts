/**
 * One of several threads over one memory that take turns at every single access to it; whose turn is next is drawn by lot.
 * So any interleaving can come up, and the one of a seed comes up again.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Concurrency } from '../../src/services/limits/algorithms/concurrency.ts';
import { TokenBucket } from '../../src/services/limits/algorithms/token-bucket.ts';
import { Decision } from '../../src/services/limits/decision.ts';
import { LimitMemory, limitLayout, prepareLimits } from '../../src/services/limits/memory.ts';
import type { FullPolicy } from '../../src/shared/bucket-table.ts';
import { readDirectory, writeDirectory } from '../../src/shared/directory.ts';
import type { Segment } from '../../src/shared/segment.ts';
import { GROUP_SLOTS, GROUP_WORDS, HOLD, heldOf, STATE, STATUS } from '../../src/shared/slots.ts';
import { duplicates, keyIn, SMALL } from './memory.ts';

export interface Lockstep {
  me: number;
  threads: number;
  rounds: number;
  seed: number;
  control: SharedArrayBuffer;
  memory: SharedArrayBuffer;
  /** Of 100 operations, how many end in a kill. */
  kills: number;
  what: 'buckets' | 'holds';
  /** Evicting is for a full table only; then the tables here have room. */
  policy: FullPolicy;
}

// Words of `control`.
const TURN = 0;
const ARRIVED = 1;
const ROUND = 2;
const LOT = 3;
/** By thread: whether it works; then by key what was admitted. */
const WORKING = 8;
const ADMITTED = 24;

const KEYS = 2;
const MOST = 3;
const NOW = 10_000;

const { me, threads, rounds, seed, control, memory, kills, what, policy } = workerData as Lockstep;
const words = new Int32Array(control);
const { load, store, compareExchange, add, wait, notify } = Atomics;
const own = generator(seed * 31 + me);
const failures: string[] = [];

class Killed extends Error {}

for (let round = 0; round < rounds; round++) {
  if (me === 0) reset(round);
  barrier();
  const dies = own() % 100 < kills ? 1 + (own() % 120) : Number.POSITIVE_INFINITY;
  const died = work(round, dies);
  barrier();
  if (what === 'holds' && died) store(words, WORKING + me, 2);
  barrier();
  if (me === 0) judge(round);
  barrier();
}
parentPort?.postMessage(failures);

function open(): LimitMemory {
  return new LimitMemory(segment(), me + 1, policy);
}

function segment(): Segment {
  const regions = readDirectory(memory as unknown as ArrayBuffer);
  const region = (name: string) => regions.get(name) as never;
  return { shared: true, path: null, reason: null, region, close: () => {} };
}

/** A table in which the keys' slots are nearly all in use, or past due, or both. */
function reset(round: number): void {
  const random = generator(seed + round * 7919);
  new Int32Array(memory).fill(0);
  writeDirectory(memory as unknown as ArrayBuffer, limitLayout(SMALL));
  prepareLimits(segment(), SMALL);
  const { table } = open();
  const bucket = new TokenBucket(table, 10, 1000, 1);
  const d = new Decision();
  // Threads that are just claiming keep a slot each.
  const filled = random() % (policy === 'evict-oldest' ? 11 : 15);
  for (let i = 0; i < filled; i++) {
    const [h1, h2] = i < KEYS && random() % 3 === 0 ? keyIn(2, i) : keyIn(2, 100 + i);
    bucket.take(d, 0, h1, h2, 1, random() % 2 === 0 ? NOW - 5_000 : NOW - 1);
  }
  for (let i = WORKING; i < ADMITTED + KEYS; i++) words[i] = 0;
  for (let i = 0; i < threads; i++) words[WORKING + i] = 1;
  words[LOT] = seed + round;
  words[TURN] = 0;
}

function work(round: number, dies: number): boolean {
  const opened = open();
  const algorithm =
    what === 'buckets'
      ? new TokenBucket(opened.table, 10, 1000, 1)
      : new Concurrency(opened.table, opened.holds, MOST);
  const d = new Decision();
  let accesses = 0;
  const inTurn =
    <A extends unknown[], R>(access: (...args: A) => R) =>
    (...args: A): R => {
      if (++accesses >= dies) throw new Killed();
      const result = access(...args);
      pass();
      return result;
    };
  awaitTurn();
  Object.assign(Atomics, {
    load: inTurn(load as never),
    store: inTurn(store as never),
    compareExchange: inTurn(compareExchange as never),
    add: inTurn(add as never),
  });
  let died = false;
  try {
    // The keys whose slots the prefilled table may have, past due or not, are asked for under a tag of their own.
    for (let i = 0; i < 3; i++) {
      const key = own() % KEYS;
      const [h1, h2] = keyIn(2, 50 + key);
      const held: number[] = [];
      if (algorithm.take(d, 0, h1, h2, 1, NOW)) {
        add(words, ADMITTED + key, 1);
        held.push(d.holds[0] as number);
      }
      if (what === 'holds' && own() % 2 === 0)
        for (const token of held) opened.holds.give(opened.table.words, token);
    }
  } catch (error) {
    if (!(error instanceof Killed)) failures.push(`round ${round}: ${(error as Error).stack}`);
    died = true;
  }
  Object.assign(Atomics, { load, store, compareExchange, add });
  store(words, WORKING + me, 0);
  pass();
  return died;
}

function judge(round: number): void {
  const opened = open();
  const fail = (text: string) => failures.push(`seed ${seed}, round ${round}: ${text}`);
  const { evicted } = opened.table.counts();
  if (evicted > 0) fail(`${evicted} evicted`);
  const twice = duplicates(opened);
  if (twice.length > 0) fail(`two slots for ${twice}`);
  if (what === 'buckets') {
    for (let key = 0; key < KEYS; key++) {
      const admitted = words[ADMITTED + key] as number;
      if (admitted > 1) fail(`${admitted} admitted where the burst is 1`);
    }
    return;
  }
  const primary = new LimitMemory(segment(), 0, 'reject-new');
  for (let i = 0; i < threads; i++) if (load(words, WORKING + i) === 2) primary.releaseWorker(i + 1);
  let listed = 0;
  for (let i = 0; i < threads; i++) listed += primary.holds.heldBy(i + 1);
  let counted = 0;
  const { table } = primary;
  for (let p = 0; p < table.groups * GROUP_WORDS; p += 2) {
    if (p % GROUP_WORDS >= 2 * GROUP_SLOTS || ((table.words[p] as number) & STATUS) !== HOLD) continue;
    const held = heldOf(table.words[p + STATE] as number);
    if (held > MOST) fail(`${held} held where ${MOST} are admitted`);
    counted += held;
  }
  if (listed !== counted) fail(`${counted} counted, ${listed} held`);
}

/** Gives the turn to one that works, by lot. */
function pass(): void {
  const working: number[] = [];
  for (let i = 0; i < threads; i++) if (load(words, WORKING + i) === 1) working.push(i);
  if (working.length === 0) return;
  const lot = (Math.imul(words[LOT] as number, 1664525) + 1013904223) | 0;
  words[LOT] = lot;
  const next = working[(lot >>> 8) % working.length] as number;
  store(words, TURN, next);
  if (next === me) return;
  notify(words, TURN);
  if (load(words, WORKING + me) === 1) awaitTurn();
}

function awaitTurn(): void {
  for (let turn = load(words, TURN); turn !== me; turn = load(words, TURN)) wait(words, TURN, turn);
}

function barrier(): void {
  const round = load(words, ROUND);
  if (add(words, ARRIVED, 1) === threads - 1) {
    store(words, ARRIVED, 0);
    add(words, ROUND, 1);
    notify(words, ROUND);
    return;
  }
  while (load(words, ROUND) === round) wait(words, ROUND, round);
}

function generator(from: number): () => number {
  let state = from | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}
