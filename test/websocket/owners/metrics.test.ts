/** What metrics tell of handshakes and of the way through the gateway. */
import { expect, it, onTestFinished } from 'vitest';
import { startGateway } from '../../harness/gateway.ts';
import { echo, openSocket, startSocketService } from '../../harness/sockets.ts';
import { answers, opened } from './guarded.ts';

it('handshakes by who refused them and why, and the time of messages both ways', async () => {
  const service = await startSocketService(echo, {
    refuse: (request, socket) => {
      if (!request.url?.includes('refuse')) return false;
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
      return true;
    },
  });
  onTestFinished(() => service.close());
  const socket = (path: string, service = 'game') => ({
    name: path.slice(1),
    match: { path },
    service,
    websocket: { origins: ['https://app.example.com'] },
  });
  const gateway = await startGateway({
    services: { game: { endpoints: [service.url] }, nobody: { endpoints: ['http://127.0.0.1:9'] } },
    routes: [
      socket('/game'),
      socket('/refuse'),
      socket('/gone', 'nobody'),
      { ...socket('/plain'), websocket: false },
    ],
  });
  const client = await opened(`${gateway.url}/game`);
  for (let i = 0; i < 130; i++) await answers(client, `message ${i}`);
  await openSocket(`${gateway.url}/refuse`).refused;
  await openSocket(`${gateway.url}/gone`).refused;
  await openSocket(`${gateway.url}/game`, [], { origin: 'https://evil.example.com' }).refused;
  await openSocket(`${gateway.url}/plain`).refused; // an ordinary request: no handshake of ours
  await fetch(`${gateway.url}/game`);
  const { body } = await gateway.ask('/metrics');
  const lines = (body as string).split('\n');
  expect(lines.filter((line) => line.startsWith('sluice_websocket_handshakes_total')).sort()).toEqual([
    'sluice_websocket_handshakes_total{result="accepted",code="101"} 1',
    'sluice_websocket_handshakes_total{result="failed",code="UPSTREAM_CONNECT_FAILED"} 1',
    'sluice_websocket_handshakes_total{result="refused",code="ORIGIN_REFUSED"} 1',
    'sluice_websocket_handshakes_total{result="service",code="4xx"} 1',
  ]);
  for (const direction of ['in', 'out']) {
    expect(lines).toContain(`sluice_websocket_hop_seconds_count{direction="${direction}"} 2`);
    expect(body).toMatch(new RegExp(`sluice_websocket_hop_seconds_sum{direction="${direction}"} \\d`));
  }
});

it('the time of messages whose kind or number the route looks at, but not of those that wait for a rate', async () => {
  const service = await startSocketService(echo);
  onTestFinished(() => service.close());
  const gateway = await startGateway({
    services: { game: { endpoints: [service.url] } },
    routes: [
      {
        name: 'game',
        match: { path: '/game' },
        service: 'game',
        websocket: {
          schema: { opcodes: [0x6d] },
          messages: { rate: '10000/s', over: 'delay' },
          slow: 'conflate',
          conflate: { key: { bytes: [0, 1] } },
        },
      },
    ],
  });
  const client = await opened(`${gateway.url}/game`);
  for (let i = 0; i < 130; i++) await answers(client, `message ${i}`);
  const { body } = await gateway.ask('/metrics');
  for (const direction of ['in', 'out'])
    expect(body).toContain(`sluice_websocket_hop_seconds_count{direction="${direction}"} 2\n`);
});
