/** Bodies stream both ways: whichever side is slow, the other waits, and the gateway holds next to nothing. */
import { createHash, type Hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';

const MIB = 1024 * 1024;
const BODY_BYTES = 128 * MIB;
const MOST_GROWTH_BYTES = 32 * MIB;
/** What two kernels' buffers and the gateway may hold of a body nobody reads. */
const MOST_UNDERWAY_BYTES = 96 * MIB;

let service: Server;
let gateway: RunningGateway;
/** What the service has written of the current answer. */
let served = 0;
let received: Received = { bytes: 0, sha256: '', headers: {} };
/** The service reads nothing of a request body before this. */
let mayRead: Promise<void> = Promise.resolve();

interface Received {
  bytes: number;
  sha256: string;
  headers: IncomingMessage['headers'];
}

beforeAll(async () => {
  service = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url as string, 'http://service');
    if (pathname === '/download') {
      served = 0;
      if (searchParams.has('length')) response.setHeader('content-length', BODY_BYTES);
      await pipeline(Readable.from(bodyChunks((bytes) => (served += bytes))), response).catch(() => {});
      return;
    }
    await mayRead;
    received = { ...(await digest(request)), headers: request.headers };
    response.end(String(received.bytes));
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  gateway = await startGateway({
    services: { big: { endpoints: [`http://127.0.0.1:${(service.address() as AddressInfo).port}`] } },
    routes: [{ name: 'big', match: { path: '/*' }, service: 'big', requestSize: { maxBody: '1GiB' } }],
  });
  // Memory moves when the engine sees its first megabytes; what is measured is what a body adds.
  await digest(await answerTo('/download?length'));
  await upload('/upload', { 'content-length': BODY_BYTES });
});

afterAll(async () => {
  await gateway?.stop();
  service?.closeAllConnections();
  service?.close();
});

/** The same bytes each time, different in each part. */
function* bodyChunks(onChunk: (bytes: number) => void = () => {}): Generator<Buffer> {
  for (let part = 0; part * 65_536 < BODY_BYTES; part++) {
    onChunk(65_536);
    yield Buffer.alloc(65_536, createHash('md5').update(String(part)).digest());
  }
}

const SHA256 = [...bodyChunks()]
  .reduce((hash: Hash, chunk) => hash.update(chunk), createHash('sha256'))
  .digest('hex');

async function digest(stream: Readable): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

function answerTo(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpRequest(gateway.url + path, resolve)
      .on('error', reject)
      .end();
  });
}

async function upload(
  path: string,
  headers: Record<string, string | number>,
  chunks = bodyChunks(),
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpRequest(gateway.url + path, { method: 'POST', headers }, resolve).on('error', reject);
  await pipeline(Readable.from(chunks), request);
  const answer = await promise;
  return Buffer.concat(await answer.toArray()).toString();
}

/** How far the gateway's resident memory rises above where it began while this goes on. */
async function memoryGrowth(work: () => Promise<void>): Promise<number> {
  const before = residentBytes();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes());
  }, 10);
  await work().finally(() => clearInterval(timer));
  return Math.max(most, residentBytes()) - before;
}

/** The count at which it stays for a while: the other side has stopped. */
async function standstill(count: () => number): Promise<number> {
  for (let before = -1; ; ) {
    await sleep(200);
    if (count() > 0 && count() === before) return before;
    before = count();
  }
}

function residentBytes(): number {
  const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

describe.each([
  ['known length', '?length', 'content-length'],
  ['unknown length', '', 'transfer-encoding'],
])('an answer of %s', (_what, query, framing) => {
  it('waits for a slow client, and arrives whole', async () => {
    const growth = await memoryGrowth(async () => {
      const answer = await answerTo(`/download${query}`);
      expect(answer.headers[framing]).toBeDefined();
      // Read a little, then nothing: the service has to stop.
      answer.on('readable', () => {});
      answer.read(1);
      expect(await standstill(() => served)).toBeLessThan(MOST_UNDERWAY_BYTES);
      answer.removeAllListeners('readable');

      const rest = await digest(answer);
      expect(rest.bytes).toBe(BODY_BYTES - 1);
      expect(answer.complete).toBe(true);
    });
    expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
  });

  it('is the same to the last byte', async () => {
    const growth = await memoryGrowth(async () => {
      expect(await digest(await answerTo(`/download${query}`))).toEqual({
        bytes: BODY_BYTES,
        sha256: SHA256,
      });
    });
    expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
  });

  it('is the same for a client that stops and goes', async () => {
    const answer = await answerTo(`/download${query}`);
    const timer = setInterval(() => (answer.isPaused() ? answer.resume() : answer.pause()), 7);
    const hash = createHash('sha256');
    answer.on('data', (chunk) => hash.update(chunk));
    await new Promise((resolve, reject) => answer.once('end', resolve).once('error', reject));
    clearInterval(timer);
    expect(hash.digest('hex')).toBe(SHA256);
  });
});

describe.each([
  ['known length', { 'content-length': BODY_BYTES }],
  ['unknown length', { 'transfer-encoding': 'chunked' }],
])('a request body of %s', (_what, headers) => {
  it('waits for a slow service, and arrives whole', async () => {
    let sent = 0;
    const growth = await memoryGrowth(async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      mayRead = promise;
      const chunks = bodyChunks((bytes) => {
        sent += bytes;
      });
      const uploaded = upload('/upload', headers, chunks);
      expect(await standstill(() => sent)).toBeLessThan(MOST_UNDERWAY_BYTES);
      resolve();
      expect(await uploaded).toBe(String(BODY_BYTES));
    });
    expect(received.sha256).toBe(SHA256);
    expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
  });

  it('is framed for the service as the client framed it', async () => {
    expect(await upload('/upload', headers)).toBe(String(BODY_BYTES));
    expect(received.sha256).toBe(SHA256);
    for (const [name, value] of Object.entries(headers)) expect(received.headers[name]).toBe(String(value));
    const other = 'content-length' in headers ? 'transfer-encoding' : 'content-length';
    expect(received.headers[other]).toBeUndefined();
  });
});

it('leaves no memory behind', async () => {
  const growth = await memoryGrowth(async () => {
    for (let i = 0; i < 3; i++) {
      await Promise.all([
        digest(await answerTo('/download?length')),
        upload('/upload', { 'content-length': BODY_BYTES }),
      ]);
    }
  });
  expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
});
