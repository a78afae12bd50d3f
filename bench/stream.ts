/**
 * 1 GiB down and 1 GiB up through Sluice, the receiving side reading 1 MiB/s for the first ten seconds and as fast as
 * it can from then on: `npm run bench -- stream [MIB]`. Shows that back-pressure reaches the sender (the memory of the
 * gateway hardly moves) and that the bytes are the same on both ends.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSluice } from './contenders/sluice.ts';
import { workspace } from './proc.ts';
import { residentBytes } from './readings.ts';
import { type Bar, barTable, mebibytes, provenance, saveSections } from './report.ts';

const MIB = 2 ** 20;
const SLOW_BYTES_PER_MS = MIB / 1000;
const SLOW_PHASE_MS = 10_000;
const PIECE_BYTES = 64 * 1024;
const SAMPLE_MS = 50;
const LIMIT_BYTES = 32 * MIB;
/** Bounds the whole run, far above what it takes. */
const TIMEOUT_MS = 300_000;

interface Transfer {
  bytes: number;
  sha256: string;
}

/** A sender of `bytes` bytes no two pieces of which are alike, so that a swap or a repetition shows. */
class Sender {
  readonly #hash = createHash('sha256');
  readonly #bytes: number;
  #sent = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  *pieces(): Generator<Buffer> {
    const noise = randomBytes(PIECE_BYTES);
    while (this.#sent < this.#bytes) {
      noise.writeDoubleLE(this.#sent);
      const piece = Buffer.from(noise.subarray(0, this.#bytes - this.#sent));
      this.#hash.update(piece);
      this.#sent += piece.length;
      yield piece;
    }
  }

  result(): Transfer {
    return { bytes: this.#sent, sha256: this.#hash.digest('hex') };
  }
}

async function readSlowlyAtFirst(stream: Readable): Promise<Transfer> {
  const hash = createHash('sha256');
  const start = performance.now();
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    const restMs = Math.min(bytes / SLOW_BYTES_PER_MS, SLOW_PHASE_MS) - (performance.now() - start);
    if (restMs > 0) await sleep(restMs);
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Remembers what it sent on the last download; answers an upload with what arrived. */
class Service {
  downloaded: Transfer | null = null;
  readonly #server = createServer((req, res) => {
    this.#answer(req, res).catch((error) => {
      console.error(`service, ${req.method} ${req.url}: ${error.message}`);
      res.destroy();
    });
  });

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.method === 'POST') {
      const received = await readSlowlyAtFirst(req);
      return void res.end(JSON.stringify(received));
    }
    const bytes = Number(/\d+/.exec(req.url ?? '')?.[0]);
    const sender = new Sender(bytes);
    res.setHeader('content-length', bytes);
    await pipeline(Readable.from(sender.pieces()), res);
    this.downloaded = sender.result();
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function open(url: string, method: string, headers: Record<string, number>) {
  const req = request(url, { method, headers, agent: false, timeout: TIMEOUT_MS });
  req.once('timeout', () => req.destroy(new Error('no progress')));
  const response = once(req, 'response').then(([res]) => {
    const answer = res as IncomingMessage;
    if (answer.statusCode !== 200) throw new Error(`${method} ${url}: ${answer.statusCode}`);
    return answer;
  });
  return { req, response };
}

async function download(gateway: string, service: Service, bytes: number): Promise<boolean> {
  const { req, response } = open(`${gateway}/bytes/${bytes}`, 'GET', {});
  req.end();
  const received = await readSlowlyAtFirst(await response);
  return received.bytes === bytes && received.sha256 === service.downloaded?.sha256;
}

async function upload(gateway: string, bytes: number): Promise<boolean> {
  const { req, response } = open(`${gateway}/bytes`, 'POST', { 'content-length': bytes });
  const sender = new Sender(bytes);
  const [answer] = await Promise.all([response, pipeline(Readable.from(sender.pieces()), req)]);
  const chunks = await answer.toArray();
  const received = JSON.parse(Buffer.concat(chunks).toString()) as Transfer;
  const sent = sender.result();
  return received.bytes === bytes && received.sha256 === sent.sha256;
}

/** The most the memory of `pid` rises above `baseline` while `work` runs. */
async function riseDuring<T>(
  pid: number,
  baseline: number,
  work: Promise<T>,
): Promise<{ rise: number; result: T }> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid));
  }, SAMPLE_MS);
  try {
    const result = await work;
    return { rise: Math.max(peak, residentBytes(pid)) - baseline, result };
  } finally {
    clearInterval(timer);
  }
}

function bar(what: string, { rise, result: equal }: { rise: number; result: boolean }): Bar {
  return {
    what,
    bar: 'memory + < 32 MiB, SHA-256 equal',
    measured: `+ ${mebibytes(rise)}, ${equal ? 'equal' : 'DIFFERENT'}`,
    met: rise < LIMIT_BYTES && equal,
  };
}

/** Measures and records; false when a bar is missed. */
export async function runStream(mib: number): Promise<boolean> {
  const bytes = mib * MIB;
  const service = new Service();
  const gateway = await startSluice(await service.listen(), workspace(), {
    route: 'requestSize: { maxBody: 4GiB }',
  });
  // Code paths are loaded and compiled before the baseline is taken.
  for (let i = 0; i < 100; i++) {
    const correct = (await download(gateway.url, service, 1)) && (await upload(gateway.url, 1));
    if (!correct) throw new Error('Sluice does not proxy a single byte correctly');
  }

  const baseline = residentBytes(gateway.pid);
  const down = await riseDuring(gateway.pid, baseline, download(gateway.url, service, bytes));
  const up = await riseDuring(gateway.pid, baseline, upload(gateway.url, bytes));
  await gateway.stop();
  service.close();

  const bars = [bar(`${mib} MiB download, slow client`, down), bar(`${mib} MiB upload, slow service`, up)];
  const text = `${provenance()} The receiver reads 1 MiB/s for the first ten seconds. Before: ${mebibytes(baseline)}.`;
  saveSections({ Streaming: `${text}\n\n${barTable(bars)}` });
  return bars.every(({ met }) => met);
}
