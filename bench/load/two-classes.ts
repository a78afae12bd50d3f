/**
 * Two constant arrival rates at once: `node two-classes.ts URL CRITICAL BACKGROUND SECONDS`, in requests per second, for
 * `/critical/small` and `/background/small`, each over connections of its own. Answers are timed from the instant their request was
 * due (see open-loop.ts), so waiting for a free connection counts. Whoever is refused does not ask again. Prints one line of JSON.
 */
import { connect, type Socket } from 'node:net';
import { BODIES, SMALL_GET } from '../workloads.ts';

export interface ClassResult {
  /** Requests that were due. */
  due: number;
  /** 200, per second in which they came, whenever they were due. */
  perSecond: number;
  answered: number;
  /** 503. */
  refused: number;
  /** Anything else, or nothing by the end. */
  failed: number;
  p50Ms: number;
  p99Ms: number;
}

export interface TwoClassesResult {
  critical: ClassResult;
  background: ClassResult;
}

/** What comes first does not count: the controller of the gateway needs seconds from its start. */
const WARM_UP_SECONDS = 2;
const GRACE_MS = 1_000;
const NAP_MS = 0.2;
/** Each waits for its answer: so many requests can stand before the gateway. */
const BACKGROUND_CONNECTIONS = 2_000;

const [, , target, criticalRate, backgroundRate, seconds] = process.argv;
const url = new URL(target as string);
const start = performance.now() + 300;
const countedFrom = start + WARM_UP_SECONDS * 1000;
const end = countedFrom + Number(seconds) * 1000;

class Arrivals {
  readonly result: ClassResult = {
    due: 0,
    perSecond: 0,
    answered: 0,
    refused: 0,
    failed: 0,
    p50Ms: 0,
    p99Ms: 0,
  };
  readonly latencies: number[] = [];
  readonly #rate: number;
  readonly #request: Buffer;
  readonly #idle: Connection[] = [];
  #sent = 0;

  constructor(name: string, rate: number) {
    this.#rate = rate;
    this.#request = Buffer.from(`GET /${name}${SMALL_GET.path} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
  }

  open(connections: number): Promise<unknown> {
    const one = () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(Number(url.port), url.hostname, () => {
          this.free(new Connection(socket, this));
          resolve();
        }).once('error', reject);
      });
    return Promise.all(Array.from({ length: this.#rate === 0 ? 0 : connections }, one));
  }

  free(connection: Connection): void {
    this.#idle.push(connection);
  }

  /** Sends what is due, as far as there are connections for it. */
  turn(now: number): void {
    const due = Math.floor(((Math.min(now, end) - start) / 1000) * this.#rate);
    while (this.#sent < due && this.#idle.length > 0) {
      const dueAt = start + (++this.#sent * 1000) / this.#rate;
      this.#idle.pop()?.ask(this.#request, dueAt);
    }
  }

  answered(dueAt: number, status: number): void {
    const now = performance.now();
    if (status === 200 && now >= countedFrom && now < end) this.result.perSecond += 1 / Number(seconds);
    if (dueAt < countedFrom) return;
    if (status === 200) {
      this.result.answered++;
      this.latencies.push(now - dueAt);
    } else if (status === 503) this.result.refused++;
    else this.result.failed++;
  }

  conclude(): ClassResult {
    const { result } = this;
    const sorted = Float64Array.from(this.latencies).sort();
    result.due = Math.floor(((end - countedFrom) / 1000) * this.#rate);
    result.failed = Math.max(0, result.due - result.answered - result.refused);
    result.p50Ms = sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN;
    result.p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
    return result;
  }
}

const expected = BODIES[SMALL_GET.path] as string;

class Connection {
  readonly #socket: Socket;
  readonly #arrivals: Arrivals;
  #dueAt = 0;
  #text = '';

  constructor(socket: Socket, arrivals: Arrivals) {
    this.#socket = socket;
    this.#arrivals = arrivals;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text) => this.#receive(text as unknown as string));
    socket.on('error', () => {});
  }

  ask(request: Buffer, dueAt: number): void {
    this.#dueAt = dueAt;
    this.#socket.write(request);
  }

  #receive(text: string): void {
    this.#text += text;
    const refused = this.#text.startsWith('HTTP/1.1 503 ');
    if (!this.#text.endsWith(refused ? '"}' : expected)) return;
    this.#arrivals.answered(this.#dueAt, refused ? 503 : Number(this.#text.slice(9, 12)));
    this.#text = '';
    this.#arrivals.free(this);
  }
}

const critical = new Arrivals('critical', Number(criticalRate));
const background = new Arrivals('background', Number(backgroundRate));
await Promise.all([critical.open(512), background.open(BACKGROUND_CONNECTIONS)]);

const nap = new Int32Array(new SharedArrayBuffer(4));
function turn(): void {
  const now = performance.now();
  critical.turn(now);
  background.turn(now);
  if (now > end + GRACE_MS) {
    const result: TwoClassesResult = { critical: critical.conclude(), background: background.conclude() };
    console.log(JSON.stringify(result));
    process.exit(0);
  }
  Atomics.wait(nap, 0, 0, NAP_MS);
  setImmediate(turn);
}
turn();
