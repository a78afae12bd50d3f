/**
 * Services that fail at random points, and clients that count: for the promise that no POST is executed twice.
 *
 *   const outcome = await runChaos(gateway.url, services, { requests: 5_000, connections: 32 });
 *
 * Each request carries an id of its own. A service notes an id as soon as it has read the head it is in: more than once is
 * more than was allowed, whether the work would have been done or not.
 */
import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import { type RunningService, startRawService } from './service.ts';

/** What becomes of a request, and how often. */
const FATES = {
  answered: 40,
  'answered, then the idle connection closed': 12,
  'answered with 503': 8,
  'reset at the head': 6,
  'reset in the middle of the body': 6,
  'reset after the body': 8,
  'closed after the body': 8,
  'reset in the middle of the head of the answer': 4,
  'reset in the middle of the answer': 8,
} as const;
type Fate = keyof typeof FATES;

/** Of connections that are reset before anything is read. */
const REFUSED_SHARE = 0.05;

export interface ChaosService extends RunningService {
  /** How often the head of the request with this id has been read. */
  readonly ids: Map<string, number>;
  readonly fates: Map<string, number>;
}

export async function startChaosService(): Promise<ChaosService> {
  const ids = new Map<string, number>();
  const fates = new Map<string, number>();
  const service = await startRawService((socket) => {
    if (Math.random() < REFUSED_SHARE) {
      count(fates, 'reset before anything is read');
      setTimeout(() => socket.resetAndDestroy(), Math.random() * 3);
      return;
    }
    serve(socket, ids, fates);
  });
  return Object.assign(service, { ids, fates });
}

function serve(socket: Socket, ids: Map<string, number>, fates: Map<string, number>): void {
  let pending = Buffer.alloc(0);
  let current: { id: string; fate: Fate; left: number; length: number } | null = null;
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (current === null) {
        const end = pending.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = pending.toString('latin1', 0, end);
        pending = pending.subarray(end + 4);
        const id = /^x-chaos-id: (.*)$/im.exec(head)?.[1] ?? '';
        const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
        const fate = draw();
        count(ids, id);
        count(fates, fate);
        current = { id, fate, left: length, length };
        if (fate === 'reset at the head') return void socket.resetAndDestroy();
      }
      const taken = Math.min(current.left, pending.length);
      current.left -= taken;
      pending = pending.subarray(taken);
      if (current.fate === 'reset in the middle of the body' && current.left < current.length)
        return void socket.resetAndDestroy();
      if (current.left > 0) return;
      finish(socket, current.id, current.fate);
      current = null;
    }
  });
}

function finish(socket: Socket, id: string, fate: Fate): void {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${id.length}\r\n\r\n${id}`;
  switch (fate) {
    case 'answered':
      return void socket.write(answer);
    case 'answered, then the idle connection closed':
      socket.write(answer);
      // The next request is often on its way already.
      return void setTimeout(
        () => (Math.random() < 0.5 ? socket.end() : socket.resetAndDestroy()),
        Math.random() * 3,
      );
    case 'answered with 503':
      return void socket.write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
    case 'closed after the body':
      return void socket.end();
    case 'reset in the middle of the head of the answer':
      socket.write(answer.slice(0, 20));
      return void setTimeout(() => socket.resetAndDestroy(), 2);
    case 'reset in the middle of the answer':
      socket.write(answer.slice(0, -1));
      return void setTimeout(() => socket.resetAndDestroy(), 2);
    default:
      return void socket.resetAndDestroy();
  }
}

function draw(): Fate {
  let point = Math.random() * Object.values(FATES).reduce((sum, weight) => sum + weight, 0);
  for (const [fate, weight] of Object.entries(FATES)) {
    point -= weight;
    if (point < 0) return fate as Fate;
  }
  return 'answered';
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export interface ChaosOutcome {
  /** POSTs by status, `cut`, or what went wrong. */
  readonly outcomes: Map<string, number>;
  /** POSTs whose head was read more than once. */
  readonly twice: string[];
  /** Of requests that may be repeated, that were sent in between: those read more than once. */
  readonly repeatedGets: number;
  /** Answers of status 200 whose body was another request's. */
  readonly mixed: number;
  readonly fates: Map<string, number>;
}

/** One request in six is a GET, and one POST in twenty has a body that is too large to be kept. */
export async function runChaos(
  url: string,
  services: readonly ChaosService[],
  { requests, connections, path = '/' }: { requests: number; connections: number; path?: string },
): Promise<ChaosOutcome> {
  const outcomes = new Map<string, number>();
  let mixed = 0;
  let next = 0;
  async function client(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (next < requests) {
      const n = next++;
      const method = n % 6 === 5 ? 'GET' : 'POST';
      const id = `${method}-${n}`;
      const body = method === 'GET' ? '' : 'x'.repeat(n % 20 === 0 ? 100_000 : 200);
      const { outcome, text } = await exchange(new URL(path, url), agent, method, id, body);
      if (method === 'POST') count(outcomes, outcome);
      if (outcome === '200' && text !== id) mixed++;
    }
    agent.destroy();
  }
  await Promise.all(Array.from({ length: connections }, client));
  const read = new Map<string, number>();
  const fates = new Map<string, number>();
  for (const service of services) {
    for (const [id, times] of service.ids) read.set(id, (read.get(id) ?? 0) + times);
    for (const [fate, times] of service.fates) fates.set(fate, (fates.get(fate) ?? 0) + times);
  }
  const again = [...read].filter(([, times]) => times > 1).map(([id]) => id);
  return {
    outcomes,
    twice: again.filter((id) => id.startsWith('POST')),
    repeatedGets: again.filter((id) => id.startsWith('GET')).length,
    mixed,
    fates,
  };
}

function exchange(
  url: URL,
  agent: Agent,
  method: string,
  id: string,
  body: string,
): Promise<{ outcome: string; text: string }> {
  return new Promise((resolve) => {
    const headers = { 'x-chaos-id': id, ...(body !== '' && { 'content-length': body.length }) };
    const sent = request(url, { agent, method, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.once('end', () =>
        resolve({ outcome: answer.complete ? String(answer.statusCode) : 'cut', text }),
      );
      answer.once('error', () => resolve({ outcome: 'cut', text }));
    });
    sent.once('error', (error) => resolve({ outcome: error.message, text: '' }));
    sent.end(body);
  });
}
