/**
 * A constant rate of messages over many sockets: `node open-loop.ts URL SOCKETS RATE SECONDS [fed|stalled]`. Each is sent at a fixed
 * instant, whether or not earlier ones have come back, and timed from that instant. With `fed` one more socket is fed by the
 * service and reads; with `stalled` it does not, from its first byte on. Prints one line of JSON.
 *
 * It shares its core with the service: it sleeps in the kernel between two instants instead of spinning (see load/open-loop.ts).
 */
import type { Socket } from 'node:net';
import { ANSWER_BYTES, clientFrame, MESSAGE, openRaw } from './raw-socket.ts';

export interface OpenLoopResult {
  messages: number;
  missing: number;
  p50Us: number;
  p99Us: number;
}

/** What comes first does not count: both sides compile while they run. */
const WARM_UP_SECONDS = 2;
/** The longest sleep: answers are looked for this often. */
const NAP_MS = 0.05;
const GRACE_MS = 2_000;
/** More than the kernel and the gateway keep for a socket that does not read. */
const FEED_BYTES = 32 * 2 ** 20;
const AT_ONCE = 100;

const [, , target, sockets, rate, seconds, extra] = process.argv;
const url = new URL(target as string);
const perMs = Number(rate) / 1000;
const uncounted = Math.round(Number(rate) * WARM_UP_SECONDS);
const total = uncounted + Math.round(Number(rate) * Number(seconds));
const latencies = new Float64Array(total);
let sent = 0;
let answered = 0;
let start = 0;

class Line {
  readonly #socket: Socket;
  /** Numbers of the messages that have not come back, in order. */
  readonly #waiting: number[] = [];
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk.length));
  }

  send(n: number): void {
    this.#waiting.push(n);
    this.#socket.write(MESSAGE);
  }

  #receive(bytes: number): void {
    this.#bytes += bytes;
    const now = performance.now();
    while (this.#bytes >= ANSWER_BYTES) {
      this.#bytes -= ANSWER_BYTES;
      const n = this.#waiting.shift() as number;
      latencies[n] = now - dueAt(n);
      answered++;
    }
  }
}

const lines: Line[] = [];
while (lines.length < Number(sockets)) {
  const count = Math.min(AT_ONCE, Number(sockets) - lines.length);
  const open = await Promise.all(Array.from({ length: count }, () => openRaw({ url, path: '/echo' })));
  for (const socket of open) lines.push(new Line(socket));
}
if (extra !== undefined) {
  const socket = await openRaw({ url, path: '/feed' });
  if (extra === 'stalled') socket.pause();
  else socket.resume();
  socket.write(clientFrame(1, Buffer.from(String(FEED_BYTES))));
}

const dueAt = (n: number): number => start + n / perMs;
const nap = new Int32Array(new SharedArrayBuffer(4));

function turn(): void {
  const now = performance.now();
  while (sent < total && dueAt(sent) <= now) {
    lines[sent % lines.length]?.send(sent);
    sent++;
  }
  if (answered === total || now > dueAt(total) + GRACE_MS) report();
  const restMs = Math.min(dueAt(sent) - now, NAP_MS);
  if (restMs > 0) Atomics.wait(nap, 0, 0, restMs);
  setImmediate(turn);
}

function report(): never {
  const sorted = latencies.subarray(uncounted).sort();
  const at = (part: number): number => Math.round((sorted[Math.floor(sorted.length * part)] ?? 0) * 1000);
  const result: OpenLoopResult = {
    messages: answered,
    missing: total - answered,
    p50Us: at(0.5),
    p99Us: at(0.99),
  };
  console.log(JSON.stringify(result));
  process.exit(0);
}

start = performance.now() + 300;
turn();
