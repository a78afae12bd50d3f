/** A handshake on a route whose path names the service. */
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { echo, openSocket, startSocketService } from '../harness/sockets.ts';

it('reaches the service that the path names, if it may name it', async () => {
  const service = await startSocketService(echo);
  onTestFinished(() => service.close());
  const gateway = await startGateway({
    services: { game: { endpoints: [service.url] }, secret: { endpoints: [service.url] } },
    routes: [
      {
        name: 'any',
        match: { path: '/live/:service/*' },
        service: '${param.service}',
        allow: ['game'],
        rewrite: { prefix: '/' },
        websocket: {},
      },
    ],
  });
  const url = gateway.url.replace('http', 'ws');
  const client = openSocket(`${url}/live/game/room`);
  await client.opened;
  client.socket.send('hello');
  await eventually(() => client.messages.includes('hello'));
  expect(service.handshakes.map((request) => request.url)).toEqual(['/room']);
  const refused = openSocket(`${url}/live/secret/room`);
  expect(await refused.refused).toMatchObject({ status: 404 });
  expect(service.handshakes).toHaveLength(1);
});
