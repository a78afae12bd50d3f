/**
 * A constant arrival rate: `node open-loop.ts URL RATE SECONDS` asks for the small body at fixed instants, whether
 * or not earlier answers have come, and times each answer from the instant its request was due. A slow answer
 * therefore cannot hide the requests that had to wait behind it. Prints one line of JSON.
 *
 * It shares its core with the service: it sleeps in the kernel between two instants instead of spinning.
 */
import { connect, type Socket } from 'node:net';
import { BODIES, CONNECTIONS, SMALL_GET } from '../workloads.ts';

export interface OpenLoopResult {
  requests: number;
  failed: number;
  p50Ms: number;
  p99Ms: number;
}

/**
 * What comes first does not count: while the client's own code is compiled it stalls, for up to 18 ms at a time and
 * for the last time after about 1.1 s.
 */
const WARM_UP_SECONDS = 1.5;
/** The longest sleep: answers are looked for this often, so it is the grain of what is measured. */
const NAP_MS = 0.05;
const GRACE_MS = 2_000;

const url = new URL(process.argv[2] as string);
const rate = Number(process.argv[3]);
const uncounted = Math.round(rate * WARM_UP_SECONDS);
const total = uncounted + Math.round(rate * Number(process.argv[4]));

const request = Buffer.from(`GET ${SMALL_GET.path} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
const expected = BODIES[SMALL_GET.path] as string;

/** Requests due and not yet sent are those from `sent` to `due`, as numbers of request. */
let due = 0;
let sent = 0;
let answered = 0;
let failed = 0;
const latencies = new Float64Array(total);
let counted = 0;
const idle: Connection[] = [];
const start = performance.now() + 100;

class Connection {
  readonly #socket: Socket;
  #dueAt = 0;
  #answer = '';

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text) => this.#receive(text as unknown as string));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#dueAt > 0) failed++;
    });
  }

  ask(dueAt: number): void {
    this.#dueAt = dueAt;
    this.#socket.write(request);
  }

  #receive(text: string): void {
    this.#answer += text;
    if (!this.#answer.endsWith(expected)) return;
    if (this.#answer.startsWith('HTTP/1.1 200 ')) answered++;
    else failed++;
    if (this.#dueAt >= countedFrom) latencies[counted++] = performance.now() - this.#dueAt;
    this.#answer = '';
    this.#dueAt = 0;
    idle.push(this);
  }
}

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => {
      idle.push(new Connection(socket));
      resolve();
    }).once('error', reject);
  });
}

const dueAt = (n: number): number => start + (n * 1000) / rate;
const countedFrom = dueAt(uncounted);
const nap = new Int32Array(new SharedArrayBuffer(4));

function turn(): void {
  const now = performance.now();
  while (due < total && dueAt(due) <= now) due++;
  while (sent < due && idle.length > 0) idle.pop()?.ask(dueAt(sent++));

  if (answered + failed === total || now > dueAt(total) + GRACE_MS) report();

  const restMs = Math.min(dueAt(due) - now, NAP_MS);
  if (restMs > 0) Atomics.wait(nap, 0, 0, restMs);
  setImmediate(turn);
}

function report(): never {
  const sorted = latencies.subarray(0, counted).sort();
  const at = (ratio: number): number => sorted[Math.floor(sorted.length * ratio)] ?? Number.NaN;
  const result: OpenLoopResult = {
    requests: answered,
    failed: total - answered,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
  console.log(JSON.stringify(result));
  process.exit(0);
}

await Promise.all(Array.from({ length: CONNECTIONS }, open));
turn();
