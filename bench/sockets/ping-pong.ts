/**
 * Messages over several gateways in turn, in short slices, and what one costs each of them in CPU time: `node ping-pong.ts
 * SOCKETS MESSAGES CYCLES URL,PID…`. On each socket the next is sent when the last has come back. Prints one line of JSON.
 */
import type { Socket } from 'node:net';
import { threadMicros } from '../auth/threads.ts';
import { askAll, inTurn } from '../load/in-turn.ts';
import { family } from '../readings.ts';
import { ANSWER_BYTES, MESSAGE, openRaw } from './raw-socket.ts';

/** Of one gateway in one slice. */
export interface Slice {
  /** Microseconds of CPU by message carried, there and back counted as two. */
  readonly cpuUs: number;
  readonly perSecond: number;
}

/** For each cycle, for each gateway. */
export type PingPongResult = readonly (readonly Slice[])[];

const [, , sockets, messages, cycles, ...targets] = process.argv;
const most = Number(messages);

class Line {
  readonly #socket: Socket;
  #bytes = 0;
  #answered: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk.length));
    socket.on('close', () => {
      throw new Error('a socket has ended');
    });
  }

  ask(answered: () => void): void {
    this.#answered = answered;
    this.#socket.write(MESSAGE);
  }

  #receive(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < ANSWER_BYTES) return;
    this.#bytes = 0;
    this.#answered();
  }
}

class Gateway {
  readonly #pids: readonly number[];
  readonly #lines: readonly Line[];

  constructor(pid: number, lines: readonly Line[]) {
    this.#pids = family(pid);
    this.#lines = lines;
  }

  async slice(): Promise<Slice> {
    const before = this.#cpuMicros();
    const startedAt = performance.now();
    await askAll(this.#lines, most, (line, answered) => line.ask(answered));
    const seconds = (performance.now() - startedAt) / 1000;
    return { cpuUs: (this.#cpuMicros() - before) / most / 2, perSecond: (2 * most) / seconds };
  }

  #cpuMicros(): number {
    let sum = 0;
    for (const pid of this.#pids) {
      const { main, verification, rest } = threadMicros(pid);
      sum += main + verification + rest;
    }
    return sum;
  }
}

const gateways: Gateway[] = [];
for (const target of targets) {
  const [address, pid] = target.split(',') as [string, string];
  const url = new URL(address);
  const open = await Promise.all(
    Array.from({ length: Number(sockets) }, () => openRaw({ url, path: '/echo' })),
  );
  gateways.push(
    new Gateway(
      Number(pid),
      open.map((socket) => new Line(socket)),
    ),
  );
}
const result = await inTurn(Number(cycles), gateways.length, (i) => (gateways[i] as Gateway).slice());
console.log(JSON.stringify(result satisfies PingPongResult));
process.exit(0);
