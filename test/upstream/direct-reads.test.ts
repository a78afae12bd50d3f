/** Node calls `onread` on the socket, though it does not promise so: these hold it to that, over TCP and TLS. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectSecurely, createServer as createSecureServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DIRECT_READS, readDirectly } from '../../src/upstream/direct-reads.js';
import { eventually } from '../harness/eventually.ts';

const CERTIFICATE = fileURLToPath(new URL('../config/tls/one', import.meta.url));
const tls = { cert: readFileSync(`${CERTIFICATE}.crt`), key: readFileSync(`${CERTIFICATE}.key`) };

/** A socket that was dialled for direct reads, and the other end of it. */
async function pair(scheme: string): Promise<{ near: Socket; far: Socket }> {
  const [server, accepted] =
    scheme === 'TLS'
      ? [createSecureServer(tls), 'secureConnection']
      : ([createServer(), 'connection'] as const);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const options = { port: (server.address() as AddressInfo).port, host: '127.0.0.1', onread: DIRECT_READS };
  const near =
    scheme === 'TLS' ? connectSecurely({ ...options, rejectUnauthorized: false }) : connect(options);
  const [far] = (await once(server, accepted)) as [Socket];
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}

describe.each(['TCP', 'TLS'])('direct reads over %s', (scheme) => {
  it('bring everything once and in order, what came before them first', async () => {
    const { near, far } = await pair(scheme);
    const sent = randomBytes(3 * 2 ** 20);
    far.write(sent.subarray(0, 1000));
    await eventually(() => near.readableLength === 1000);
    const received: Buffer[] = [];
    readDirectly(near, { receive: (bytes) => void received.push(Buffer.from(bytes)), vanished() {} });
    far.end(sent.subarray(1000));
    await once(near.resume(), 'end');
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });

  it('are into the same memory, past the stream', async () => {
    const { near, far } = await pair(scheme);
    const memories = new Set<ArrayBufferLike>();
    let length = 0;
    readDirectly(near, {
      receive(bytes) {
        memories.add(bytes.buffer);
        length += bytes.length;
      },
      vanished() {},
    });
    near.resume();
    for (let i = 1; i <= 20; i++) {
      far.write(randomBytes(100));
      await eventually(() => length === i * 100, { everyMs: 1 });
    }
    expect([...memories]).toEqual([(DIRECT_READS.buffer as Buffer).buffer]);
  });

  it('stop while the socket is paused, also from within, and nothing is lost', async () => {
    const { near, far } = await pair(scheme);
    const sent = randomBytes(2 ** 20);
    const received: Buffer[] = [];
    readDirectly(near, {
      receive(bytes) {
        received.push(Buffer.from(bytes));
        near.pause();
      },
      vanished() {},
    });
    near.resume();
    far.end(sent);
    await eventually(() => received.length > 0);
    await sleep(50);
    // What TLS has deciphered already comes all the same.
    const most = scheme === 'TLS' ? 2 ** 17 : 2 ** 16;
    expect(Buffer.concat(received).length).toBeLessThanOrEqual(most);
    const ended = once(near, 'end');
    const nudge = setInterval(() => near.resume(), 1);
    await ended;
    clearInterval(nudge);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });
});
