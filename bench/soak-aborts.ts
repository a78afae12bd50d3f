/**
 * 200,000 requests whose clients vanish half-way: `npm run bench -- soak [REQUESTS]`. After the request head while the
 * service thinks, in the middle of an upload, in the middle of a response, or of one they did not read; half of them
 * with FIN, half with RST. Memory must stay flat, every socket must come back, good requests in between must succeed.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSluice } from './contenders/sluice.ts';
import { workspace } from './proc.ts';
import { openSockets, residentBytes } from './readings.ts';
import { type Bar, barTable, mebibytes, provenance, saveSections } from './report.ts';
import { median } from './statistics.ts';

const CONCURRENCY = 64;
const BLOCK = Buffer.alloc(64 * 1024, 'x');
/** Larger than what the kernel buffers on the way, so that neither body can be complete before the abort. */
const BODY_BYTES = 32 * 2 ** 20;
const MAX_PAUSE_MS = 3;
const ATTEMPT_TIMEOUT_MS = 10_000;
const RELEASE_TIMEOUT_MS = 15_000;
/** Bounds the whole run: 10 min for 200,000 requests. */
const ALLOWED_MS_PER_REQUEST = 3;
const SAMPLES = 100;
const GOOD_REQUEST_EVERY = 500;
const MAX_GROWTH = 0.1;

/** Answers block by block for as long as somebody takes them, `pauseMs` between two. */
function pour(res: ServerResponse, pauseMs: number): void {
  let left = BODY_BYTES;
  const push = (): void => {
    if (res.destroyed || left === 0) return;
    left -= BLOCK.length;
    if (res.write(BLOCK)) setTimeout(push, pauseMs);
    else res.once('drain', () => setTimeout(push, pauseMs));
  };
  res.writeHead(200, { 'content-length': BODY_BYTES });
  push();
}

const service = createServer((req, res) => {
  if (req.url === '/trickle') pour(res, 5);
  else if (req.url === '/flood') pour(res, 0);
  else if (req.url === '/upload') req.resume().on('end', () => res.end());
  else if (req.url === '/good') res.end('good');
  // Anything else is never answered.
});

interface Abort {
  /** What the client sends before it goes. */
  readonly send: readonly (string | Buffer)[];
  /** When it goes: with the first bytes of the answer, or a few milliseconds after sending, having read nothing. */
  readonly leave: 'on answer' | 'soon';
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: soak\r\n\r\n`;
const upload = `POST /upload HTTP/1.1\r\nHost: soak\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`;

const COMMON: readonly Abort[] = [
  { send: [get('/never')], leave: 'soon' },
  { send: [upload, BLOCK], leave: 'soon' },
  { send: [get('/trickle')], leave: 'on answer' },
];
/** All buffers on the way are full when the client goes. Rarer, since each moves some megabytes. */
const STALLED: Abort = { send: [get('/flood')], leave: 'soon' };
const STALLED_EVERY = 20;

function vanish(socket: Socket, n: number): void {
  // Sevens, so that each kind of abort meets both.
  if (Math.floor(n / 7) % 2 === 0) socket.resetAndDestroy();
  else socket.destroy();
}

/** Makes the n-th request and leaves it; false when it could not get as far as that. */
function abandon(port: number, n: number): Promise<boolean> {
  const { send, leave } = n % STALLED_EVERY === 0 ? STALLED : (COMMON[n % COMMON.length] as Abort);
  return new Promise((resolve) => {
    let reached = false;
    const go = (): void => {
      reached = true;
      vanish(socket, n);
    };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      for (const part of send) socket.write(part);
      if (leave === 'on answer') socket.once('data', go);
      else setTimeout(go, n % (MAX_PAUSE_MS + 1));
    });
    socket.setTimeout(ATTEMPT_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.once('close', () => resolve(reached));
  });
}

async function isGood(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/good`, { signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS) });
    return (await response.text()) === 'good' && response.status === 200;
  } catch {
    return false;
  }
}

interface Soak {
  unreached: number;
  badAnswers: number;
  /** Resident bytes, evenly over the run. */
  memory: number[];
}

async function soak(gateway: { url: string; pid: number }, total: number): Promise<Soak> {
  const port = Number(new URL(gateway.url).port);
  const every = Math.max(1, Math.floor(total / SAMPLES));
  const deadline = performance.now() + Math.max(60_000, total * ALLOWED_MS_PER_REQUEST);
  const result: Soak = { unreached: 0, badAnswers: 0, memory: [] };
  let next = 0;

  async function client(): Promise<void> {
    while (next < total) {
      const n = next++;
      if (performance.now() > deadline)
        throw new Error(`too slow: ${n} of ${total} requests in the time allowed`);
      if (!(await abandon(port, n))) result.unreached++;
      if (n % GOOD_REQUEST_EVERY === 0 && !(await isGood(gateway.url))) result.badAnswers++;
      if (n % every === 0) result.memory.push(residentBytes(gateway.pid));
      if (n % (every * 10) === 0) console.log(`${n} aborted, ${mebibytes(result.memory.at(-1) ?? 0)}`);
    }
  }

  await Promise.all(Array.from({ length: CONCURRENCY }, client));
  return result;
}

/** Sockets above `expected` that stay open although nothing is asked any more. */
async function leaked(count: () => number, expected: number): Promise<number> {
  const deadline = performance.now() + RELEASE_TIMEOUT_MS;
  while (count() > expected && performance.now() < deadline) await sleep(200);
  return Math.max(0, count() - expected);
}

/** Measures and records; false when a bar is missed. */
export async function runSoak(total: number): Promise<boolean> {
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  let atService = 0;
  service.on('connection', (socket) => {
    atService++;
    socket.once('close', () => atService--);
  });
  const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const gateway = await startSluice(origin, workspace(), {
    service: 'connections: { keepAlive: 1s }',
    route: 'requestSize: { maxBody: 1GiB }',
  });

  const socketsBefore = openSockets(gateway.pid);
  const start = performance.now();
  const { unreached, badAnswers, memory } = await soak(gateway, total);
  const seconds = (performance.now() - start) / 1000;
  await fetch(`${gateway.url}/good`, { headers: { connection: 'close' } }).then((response) =>
    response.text(),
  );
  const gatewayLeak = await leaked(() => openSockets(gateway.pid), socketsBefore);
  const serviceLeak = await leaked(() => atService, 0);
  await gateway.stop();
  service.close();

  const window = (from: number, to: number): number =>
    median(memory.slice(Math.floor(memory.length * from), Math.ceil(memory.length * to)));
  const warm = window(0.2, 0.3);
  const end = window(0.9, 1);
  const growth = end / warm - 1;
  const bars: Bar[] = [
    {
      what: 'memory after warm-up (the first fifth) to the end',
      bar: '+ <= 10 %',
      measured: `${mebibytes(warm)} to ${mebibytes(end)}, ${(growth * 100).toFixed(1)} %`,
      met: growth <= MAX_GROWTH,
    },
    {
      what: 'sockets leaked (gateway, service)',
      bar: '0, 0',
      measured: `${gatewayLeak}, ${serviceLeak}`,
      met: gatewayLeak === 0 && serviceLeak === 0,
    },
    {
      what: 'good requests in between that failed',
      bar: '0',
      measured: String(badAnswers),
      met: badAnswers === 0,
    },
    {
      what: 'aborts that were cut off before their point',
      bar: '0',
      measured: String(unreached),
      met: unreached === 0,
    },
  ];
  const text = `${provenance()} ${total} aborted requests in ${seconds.toFixed(0)} s, ${CONCURRENCY} at a time.`;
  saveSections({ 'Aborted requests': `${text}\n\n${barTable(bars)}` });
  return bars.every(({ met }) => met);
}
