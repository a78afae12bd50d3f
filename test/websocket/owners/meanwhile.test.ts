/** What changes between the look at a caller and the service's 101: the socket that comes of it is not forgotten. */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HS256, tokenOf } from '../../access/premises.ts';
import { startGateway } from '../../harness/gateway.ts';
import { openSocket, startSocketService } from '../../harness/sockets.ts';
import { bearer, post } from './guarded.ts';

const longAgo = () => Math.floor(Date.now() / 1000) - 60;

/** It answers a handshake when it is told to. */
async function startSlow(more: Record<string, unknown> = {}) {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const sockets: Socket[] = [];
  const service = await startSocketService(() => {}, {
    refuse: (request, socket) => {
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
      const answer = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
      void go.promise.then(() => socket.write(answer));
      sockets.push(socket);
      asked.resolve();
      return true;
    },
  });
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await service.close();
  });
  const config = (routes: readonly unknown[]) => ({
    services: { slow: { endpoints: [service.url] } },
    data: './data',
    auth: { providers: { players: HS256 } },
    routes,
    ...more,
  });
  const route = { name: 'slow', match: { path: '/slow' }, service: 'slow', auth: 'players', websocket: true };
  const gateway = await startGateway(config([route]));
  const client = openSocket(`${gateway.url}/slow`, [], { headers: bearer(tokenOf({ iat: longAgo() })) });
  await asked.promise;
  return { gateway, client, go: () => go.resolve(), config };
}

describe('while the service is asked', () => {
  it('the user is revoked', async () => {
    const { gateway, client, go } = await startSlow();
    await post(gateway, '/revocations', { user: 'alice', provider: 'players' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    go();
    await client.opened;
    expect((await client.ended).code).toBe(4403);
  });

  it('the route goes', async () => {
    const drain = { delay: 0, timeout: '5s', sockets: '200ms' };
    const { gateway, client, go, config } = await startSlow({ drain });
    gateway.write(config([{ name: 'other', match: { path: '/other' }, service: 'slow' }]));
    expect((await gateway.reload()).status).toBe(200);
    go();
    await client.opened;
    expect((await client.ended).code).toBe(1012);
  });

  it('the gateway leaves', async () => {
    const drain = { delay: 0, timeout: '4s', sockets: '1s' };
    const { gateway, client, go } = await startSlow({ drain });
    const exit = gateway.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    go();
    await client.opened;
    expect((await client.ended).code).toBe(1012);
    expect(await exit).toBe(0);
  });
});
