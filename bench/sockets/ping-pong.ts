/**
 * Messages over several gateways in turn, in short slices, and what one costs each of them in CPU time: `node ping-pong.ts
 * SOCKETS MESSAGES CYCLES URL,PID…`. On each socket the next is sent when the last has come back. What the machine does otherwise
 * changes from second to second by more than what is to be seen; within a cycle it is the same for all. Prints one line of JSON.
 */
import type { Socket } from 'node:net';
import { threadMicros } from '../auth/threads.ts';
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

class Gateway {
  readonly #pids: readonly number[];
  #sockets: readonly Socket[] = [];
  #left = 0;
  #waiting = 0;
  #done: () => void = () => {};

  constructor(pid: number) {
    this.#pids = family(pid);
  }

  async open(url: URL): Promise<void> {
    this.#sockets = await Promise.all(
      Array.from({ length: Number(sockets) }, () => openRaw({ url, path: '/echo' })),
    );
    for (const socket of this.#sockets) this.#play(socket);
  }

  #play(socket: Socket): void {
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes < ANSWER_BYTES) return;
      bytes = 0;
      this.#waiting--;
      this.#next(socket);
    });
    socket.on('close', () => {
      throw new Error('a socket has ended');
    });
  }

  #next(socket: Socket): void {
    if (this.#left === 0) {
      if (this.#waiting === 0) this.#done();
      return;
    }
    this.#left--;
    this.#waiting++;
    socket.write(MESSAGE);
  }

  async slice(): Promise<Slice> {
    const before = this.#cpuMicros();
    const startedAt = performance.now();
    this.#left = most;
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      for (const socket of this.#sockets) this.#next(socket);
    });
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
  const [url, pid] = target.split(',') as [string, string];
  const gateway = new Gateway(Number(pid));
  await gateway.open(new URL(url));
  gateways.push(gateway);
}
const result: Slice[][] = [];
for (let cycle = 0; cycle < Number(cycles); cycle++) {
  const slices: Slice[] = [];
  const order = [...gateways.keys()];
  // To and fro: who comes after whom must not matter.
  for (const i of cycle % 2 === 0 ? order : order.reverse())
    slices[i] = await (gateways[i] as Gateway).slice();
  result.push(slices);
}
console.log(JSON.stringify(result satisfies PingPongResult));
process.exit(0);
