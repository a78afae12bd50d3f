/**
 * Several paths of one gateway, asked in turn in short slices, and what each costs the gateway in CPU time:
 * `node slices.ts URL PID REQUESTS CYCLES PATH…`. Prints one line of JSON.
 */
import { connect, type Socket } from 'node:net';
import { threadMicros } from '../auth/threads.ts';
import { CONNECTIONS } from '../workloads.ts';
import { askAll, inTurn } from './in-turn.ts';

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

function cpuMicros(): number {
  const { main, rest } = threadMicros(Number(pid));
  return main + rest;
}

const connections = await Promise.all(Array.from({ length: CONNECTIONS }, open));
const results = await inTurn(Number(cycles), paths.length, async (i) => {
  const request = `GET ${paths[i]} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  const before = cpuMicros();
  await askAll(connections, most, (connection, answered) => connection.ask(request, answered));
  return (cpuMicros() - before) / most;
});
console.log(JSON.stringify({ cycles: results } satisfies SlicesResult));
process.exit(0);
