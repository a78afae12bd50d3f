/** A service that says which request it has just executed, and requests that carry keys. */
import type { ServerResponse } from 'node:http';
import { eventually } from '../harness/eventually.ts';
import { type RunningService, startService } from '../harness/service.ts';

export interface Workshop extends RunningService {
  /** How many requests it has executed so far. */
  readonly executed: () => number;
  /** Answers what is held, from now on at once. */
  release(): void;
  /** From now on requests wait for `release`. */
  hold(): void;
}

/** Each request is executed when its body is complete. Its header `x-want` says how it is answered. */
export async function startWorkshop(): Promise<Workshop> {
  let executed = 0;
  let holding = false;
  let waiting: (() => void)[] = [];
  const service = await startService((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const n = ++executed;
      const go = () => answer(String(request.headers['x-want'] ?? ''), n, Buffer.concat(chunks), response);
      if (holding) waiting.push(go);
      else go();
    });
  });
  return Object.assign(service, {
    executed: () => executed,
    hold: () => {
      holding = true;
    },
    release: () => {
      holding = false;
      for (const go of waiting) go();
      waiting = [];
    },
  });
}

function answer(want: string, n: number, body: Buffer, response: ServerResponse): void {
  if (want === 'reset') return void response.socket?.destroy();
  // As a service does that closes a connection for idleness at the wrong moment.
  if (want === 'reset once' && n % 2 === 0) return void response.socket?.destroy();
  if (want === 'half') {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('half');
    setTimeout(() => response.socket?.destroy(), 50);
    return;
  }
  const [word, value = ''] = want.split('=');
  const status = word === 'status' ? Number(value) : 201;
  const text = word === 'large' ? 'x'.repeat(Number(value)) : `done ${n} ${body}`;
  response.writeHead(status, {
    'content-type': 'text/plain',
    location: `/things/${n}`,
    'set-cookie': [`a=${n}`, 'b=2'],
  });
  // Without a length, in two pieces.
  response.write(text.slice(0, 3));
  response.end(text.slice(3));
}

export interface Told {
  readonly status: number;
  readonly text: string;
  readonly code: string;
  readonly replayed: boolean;
  readonly headers: Headers;
}

/** POST with a key. */
export async function order(
  base: string,
  key: string | null,
  { body = 'b', path = '/do', want = '', method = 'POST', headers = {}, signal }: OrderOptions = {},
): Promise<Told> {
  const answer = await fetch(base + path, {
    method,
    body,
    signal,
    headers: {
      ...(key !== null && { 'idempotency-key': key }),
      ...(want !== '' && { 'x-want': want }),
      ...headers,
    },
  });
  const text = await answer.text();
  const problem = answer.headers.get('content-type') === 'application/problem+json';
  return {
    status: answer.status,
    text,
    code: problem ? JSON.parse(text).code : '',
    replayed: answer.headers.get('idempotency-replayed') === 'true',
    headers: answer.headers,
  };
}

export interface OrderOptions {
  body?: string | Uint8Array;
  path?: string;
  want?: string;
  method?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The same once nothing with this key is under way: what became of it is known a moment after its answer. */
export async function later(base: string, key: string | null, options: OrderOptions = {}): Promise<Told> {
  return await eventually(async () => {
    const told = await order(base, key, options);
    return told.code === 'IDEMPOTENCY_IN_FLIGHT' ? undefined : told;
  });
}
