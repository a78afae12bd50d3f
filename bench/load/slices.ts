/**
 * Several paths of one gateway, asked in turn in short slices, and what each costs the gateway in CPU time:
 * `node slices.ts URL PID REQUESTS CYCLES PATH…`. What the machine does otherwise changes from second to second by more than what
 * is to be seen; within a cycle of slices it is the same for all. Prints one line of JSON.
 */
import { connect, type Socket } from 'node:net';
import { threadMicros } from '../auth/threads.ts';
import { CONNECTIONS } from '../workloads.ts';

export interface SlicesResult {
  /** For each cycle, for each path: microseconds of CPU per request. */
  readonly cycles: readonly (readonly number[])[];
}

const [, , target, pid, requestsPerSlice, cycles, ...paths] = process.argv;
const url = new URL(target as string);
const most = Number(requestsPerSlice);

class Connection {
  readonly #socket: Socket;
  #text = '';
  #answered: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text) => this.#receive(text as unknown as string));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('the gateway has closed a connection'));
  }

  ask(request: string, answered: () => void): void {
    this.#answered = answered;
    this.#socket.write(request);
  }

  #receive(text: string): void {
    this.#text += text;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1]);
    if (this.#text.length < head + 4 + length) return;
    if (!this.#text.startsWith('HTTP/1.1 200 ')) fail(this.#text.slice(0, head));
    this.#text = '';
    this.#answered();
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function open(): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => resolve(new Connection(socket)));
    socket.once('error', reject);
  });
}

/** So many requests, one after the other on each connection. */
function slice(connections: readonly Connection[], path: string): Promise<void> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  let left = most;
  let waiting = 0;
  return new Promise((resolve) => {
    const next = (connection: Connection): void => {
      if (left === 0) {
        if (waiting === 0) resolve();
        return;
      }
      left--;
      waiting++;
      connection.ask(request, () => {
        waiting--;
        next(connection);
      });
    };
    for (const connection of connections) next(connection);
  });
}

function cpuMicros(): number {
  const { main, rest } = threadMicros(Number(pid));
  return main + rest;
}

const connections = await Promise.all(Array.from({ length: CONNECTIONS }, open));
const results: number[][] = [];
for (let cycle = 0; cycle < Number(cycles); cycle++) {
  const costs: number[] = [];
  const order = [...paths.keys()];
  // To and fro: who comes after whom must not matter.
  for (const i of cycle % 2 === 0 ? order : order.reverse()) {
    const before = cpuMicros();
    await slice(connections, paths[i] as string);
    costs[i] = (cpuMicros() - before) / most;
  }
  results.push(costs);
}
console.log(JSON.stringify({ cycles: results } satisfies SlicesResult));
process.exit(0);
