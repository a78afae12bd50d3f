/**
 * GETs that carry tokens: `node token-loop.ts JSON` with an `Errand`. Every request takes the next token; with a `rate`
 * they are due at fixed instants and timed from there (as in open-loop.ts), without one a connection asks again as soon
 * as it is answered. Prints one line of JSON, a `TokenLoopResult`.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type ThreadTimes, threadMicros } from '../auth/threads.ts';
import { BODIES, CONNECTIONS, SMALL_GET } from '../workloads.ts';

export interface Errand {
  url: string;
  /** One token a line. */
  file: string;
  /** The first of the tokens to take; after the last of the file come those from its start. */
  from: number;
  /** How many requests. */
  count: number;
  /** Requests per second; null for as many as 64 connections carry. */
  rate: number | null;
  /**
   * Requests that come before and do not count, until the client itself is compiled; they take turns with the tokens
   * before `from`.
   */
  uncounted: number;
  /** The gateway. */
  pid: number;
}

export interface TokenLoopResult {
  /** Not answered with 200 and the right body, those that do not count included. */
  failed: number;
  seconds: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU microseconds of the gateway meanwhile. */
  spent: ThreadTimes;
}

/** The longest sleep between two looks for answers: the grain of latencies at a rate. */
const NAP_MS = 0.05;
const GRACE_MS = 5_000;
/** Without a rate, nobody knows how long it should take. */
const PATIENCE_MS = 120_000;

const errand = JSON.parse(process.argv[2] as string) as Errand;
const { rate, uncounted } = errand;
const url = new URL(errand.url);
const total = uncounted + errand.count;
const expected = BODIES[SMALL_GET.path] as string;
/** One for each token. */
const requests = readFileSync(errand.file, 'latin1')
  .split('\n')
  .slice(0, errand.from + errand.count)
  .map((token) =>
    Buffer.from(
      `GET ${SMALL_GET.path} HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    ),
  );

function requestOf(n: number): Buffer {
  const index = n < uncounted ? n % errand.from : (errand.from + n - uncounted) % requests.length;
  return requests[index] as Buffer;
}

/** Requests due and not yet sent are those from `sent` to `due`, as numbers of request. */
let due = rate === null ? uncounted : 0;
let sent = 0;
let answered = 0;
let failed = 0;
let counted = 0;
const latencies = new Float64Array(total);
const idle: Connection[] = [];
let start = 0;
/** When the first request that counts was asked, and what the gateway had spent by then. */
let begun = { at: 0, spent: threadMicros(errand.pid) };

const dueAt = (n: number): number => start + (n * 1000) / (rate ?? Number.POSITIVE_INFINITY);

class Connection {
  readonly #socket: Socket;
  #request = -1;
  #askedAt = 0;
  #answer = '';

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text) => this.#receive(text as unknown as string));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#request >= 0) failed++;
    });
  }

  ask(n: number): void {
    if (n === uncounted) begun = { at: performance.now(), spent: threadMicros(errand.pid) };
    this.#request = n;
    this.#askedAt = rate === null ? performance.now() : dueAt(n);
    this.#socket.write(requestOf(n));
  }

  #receive(text: string): void {
    this.#answer += text;
    const isGood = this.#answer.endsWith(expected) && this.#answer.startsWith('HTTP/1.1 200 ');
    if (!isGood && !isWhole(this.#answer)) return;
    if (isGood) answered++;
    else failed++;
    if (this.#request >= uncounted) latencies[counted++] = performance.now() - this.#askedAt;
    this.#answer = '';
    this.#request = -1;
    idle.push(this);
    if (answered + failed === total) report();
    if (rate !== null) return;
    // Those that count begin when none of the others is under way.
    if (answered + failed === uncounted) due = total;
    sendDue();
  }
}

/** Whether a refusal has come completely. */
function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n');
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(answer)?.[1] ?? Number.NaN);
  return headEnd >= 0 && answer.length >= headEnd + 4 + length;
}

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => {
      idle.push(new Connection(socket));
      resolve();
    }).once('error', reject);
  });
}

function sendDue(): void {
  while (sent < due && idle.length > 0) idle.pop()?.ask(sent++);
}

/** It shares its core with the service: it sleeps in the kernel between two instants instead of spinning. */
const nap = new Int32Array(new SharedArrayBuffer(4));

function turn(): void {
  const now = performance.now();
  while (due < total && dueAt(due) <= now) due++;
  sendDue();
  if (now > dueAt(total) + GRACE_MS) report();

  const restMs = Math.min(dueAt(due) - now, NAP_MS);
  if (restMs > 0) Atomics.wait(nap, 0, 0, restMs);
  setImmediate(turn);
}

function report(): never {
  const seconds = (performance.now() - begun.at) / 1000;
  const after = threadMicros(errand.pid);
  const sorted = latencies.subarray(0, counted).sort();
  const at = (ratio: number): number => sorted[Math.floor(sorted.length * ratio)] ?? Number.NaN;
  const result: TokenLoopResult = {
    failed: total - answered,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    spent: {
      main: after.main - begun.spent.main,
      verification: after.verification - begun.spent.verification,
      rest: after.rest - begun.spent.rest,
    },
  };
  console.log(JSON.stringify(result));
  process.exit(0);
}

await Promise.all(Array.from({ length: CONNECTIONS }, open));
start = performance.now();
if (rate === null) {
  if (uncounted === 0) due = total;
  setTimeout(report, PATIENCE_MS);
  sendDue();
} else {
  turn();
}
