import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { echoService } from '../../src/demo/echo.ts';
import { quotesService } from '../../src/demo/quotes.ts';

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function urlOf(server: Server): Promise<string> {
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('the quotes are listed, shown one by one, and ordered', async () => {
  const url = await urlOf(quotesService());
  const order = (body: string) => fetch(`${url}/orders`, { method: 'POST', body });
  expect(await (await fetch(`${url}/quotes`)).json()).toHaveLength(4);
  expect(await (await fetch(`${url}/quotes/acme`)).json()).toMatchObject({ symbol: 'ACME' });
  expect((await fetch(`${url}/quotes/none`)).status).toBe(404);
  const taken = await order('{"symbol":"ACME","quantity":2}');
  expect([taken.status, await taken.json()]).toEqual([
    201,
    { symbol: 'ACME', quantity: 2, price: 101.5, total: 203 },
  ]);
  expect((await order('{"symbol":"ACME","quantity":-2}')).status).toBe(422);
  expect((await order('not JSON')).status).toBe(400);
  expect((await order('null')).status).toBe(400);
});

it('the echo shows what arrived', async () => {
  const url = await urlOf(echoService());
  const response = await fetch(`${url}/a?b=c`, { method: 'PUT', body: 'hello', headers: { 'x-a': '1' } });
  expect(await response.json()).toMatchObject({
    method: 'PUT',
    path: '/a?b=c',
    headers: { 'x-a': '1' },
    bodyBytes: 5,
    body: 'hello',
  });
});
