import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceLeg } from '../../src/websocket/service-leg.ts';

/** More than half of what may wait in a worker, also when the kernel has taken its part of it. */
const MUCH = 60 * 2 ** 20;
const IGNORE = {
  onServiceMessage() {},
  onServiceBatch: (rest: () => void) => rest(),
  onServiceAlive() {},
  onServiceClosed() {},
  onServiceFault() {},
};

/** Takes nothing until it is told to. */
const taken: Socket[] = [];
const service = createServer((socket) => taken.push(socket.pause().on('error', () => {})));

beforeAll(async () => {
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
});

afterAll(() => {
  for (const socket of taken) socket.destroy();
  service.close();
});

/** What waits for a service whose client has sent a lot, and has closed. */
async function leave(bytes: number): Promise<{ socket: Socket; far: Socket; closed: Promise<unknown> }> {
  const socket = connect((service.address() as AddressInfo).port, '127.0.0.1');
  const [[far]] = await Promise.all([
    once(service, 'connection') as Promise<[Socket]>,
    once(socket, 'connect'),
  ]);
  // Also after a reset, which `once` would take for a failure.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const leg = new ServiceLeg(socket, MUCH, IGNORE);
  leg.start();
  leg.send(new ArrayBuffer(bytes), true);
  leg.closeBehind(1000, '');
  return { socket, far, closed };
}

describe('what waits for slow services whose clients have gone', () => {
  it('is bounded: what comes beyond that is waited for no longer than any close, until there is room again', async () => {
    const first = await leave(MUCH);
    const second = await leave(MUCH);
    const small = await leave(64);
    await Promise.all([second.closed, small.closed]);
    expect(first.socket.destroyed).toBe(false);

    let received = 0;
    first.far.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    first.far.on('end', () => first.far.end());
    first.far.resume();
    await first.closed;
    expect(received).toBeGreaterThan(MUCH);

    // Its part is free again.
    const third = await leave(MUCH);
    await (await leave(MUCH)).closed;
    expect(third.socket.destroyed).toBe(false);
  });
});
