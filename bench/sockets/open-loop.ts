/**
 * A constant rate of messages over many sockets, in one or more phases: `node open-loop.ts URL SOCKETS RATE SECONDS PHASE…`. Each
 * is sent at a fixed instant, whether or not earlier ones have come back, and timed from that instant. In a phase `fed` one more
 * socket is fed by the service and reads; in `stalled` it does not, from its first byte on; in `alone` there is none. Prints the
 * results of the phases as one line of JSON.
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
  /** Of each quarter of a second by itself. */
  windowsP99Us: number[];
}

/** What comes first in a phase does not count: both sides compile while they run, and the socket beside is fed. */
const WARM_UP_SECONDS = 2;
const WINDOW_SECONDS = 0.25;
/** The longest sleep: answers are looked for this often. */
const NAP_MS = 0.05;
const GRACE_MS = 2_000;
/** More than the kernel and the gateway keep for a socket that does not read. There before anything counts. */
const FEED_BYTES = 24 * 2 ** 20;
const AT_ONCE = 100;

const [, , target, sockets, rate, seconds, ...phases] = process.argv;
const url = new URL(target as string);
const perMs = Number(rate) / 1000;
const uncounted = Math.round(Number(rate) * WARM_UP_SECONDS);
const perPhase = uncounted + Math.round(Number(rate) * Number(seconds));
const perWindow = Math.round(Number(rate) * WINDOW_SECONDS);
const total = phases.length * perPhase;
const latencies = new Float64Array(total);
/** Of each phase. */
const answers = phases.map(() => 0);
let sent = 0;
let answered = 0;
let start = 0;
/** The one beside. */
let beside: Promise<Socket> | null = null;

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
      answers[Math.floor(n / perPhase)]++;
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

async function enter(phase: string | undefined): Promise<void> {
  const before = beside;
  beside = phase === 'alone' ? null : openRaw({ url, path: '/feed' });
  (await before)?.destroy();
  const socket = await beside;
  if (phase === 'stalled') socket?.pause();
  else socket?.resume();
  socket?.write(clientFrame(1, Buffer.from(String(FEED_BYTES))));
}

const dueAt = (n: number): number => start + n / perMs;
const nap = new Int32Array(new SharedArrayBuffer(4));

function turn(): void {
  const now = performance.now();
  while (sent < total && dueAt(sent) <= now) {
    if (sent % perPhase === 0) enter(phases[sent / perPhase]);
    lines[sent % lines.length]?.send(sent);
    sent++;
  }
  if (answered === total || now > dueAt(total) + GRACE_MS) report();
  const restMs = Math.min(dueAt(sent) - now, NAP_MS);
  if (restMs > 0) Atomics.wait(nap, 0, 0, restMs);
  setImmediate(turn);
}

function report(): never {
  console.log(JSON.stringify(phases.map((_, i) => resultOf(i))));
  process.exit(0);
}

function resultOf(phase: number): OpenLoopResult {
  const first = phase * perPhase;
  const counted = latencies.subarray(first + uncounted, first + perPhase);
  const messages = answers[phase] as number;
  return {
    messages,
    missing: perPhase - messages,
    p50Us: microsAt(0.5, counted),
    p99Us: microsAt(0.99, counted),
    windowsP99Us: Array.from({ length: Math.floor(counted.length / perWindow) }, (_, i) =>
      microsAt(0.99, counted.subarray(i * perWindow, (i + 1) * perWindow)),
    ),
  };
}

function microsAt(part: number, all: Float64Array): number {
  return Math.round((all.slice().sort()[Math.floor(all.length * part)] ?? 0) * 1000);
}

start = performance.now() + 300;
turn();
