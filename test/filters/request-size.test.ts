/** The `requestSize` filter in a running gateway. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, post, type RawAnswer } from '../harness/raw-client.ts';
import { type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    accessLog: 'all',
    services: { scripted: { endpoints: [service.url] } },
    defaults: { requestSize: { maxBody: 2000, maxUrl: 100 } },
    routes: [
      { name: 'default', match: { path: '/default/*' }, service: 'scripted' },
      { name: 'small', match: { path: '/small/*' }, service: 'scripted', requestSize: { maxBody: 10 } },
      { name: 'none', match: { path: '/none/*' }, service: 'scripted', requestSize: { maxBody: 0 } },
      { name: 'large', match: { path: '/large/*' }, service: 'scripted', requestSize: { maxBody: '200KiB' } },
      { name: 'own', match: { path: '/own' }, respond: { body: 'own' }, requestSize: { maxBody: 10 } },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

function expectTooLarge(answer: RawAnswer): void {
  expect([answer.status, answer.complete]).toEqual([413, true]);
  expect(JSON.parse(answer.body.toString()).code).toBe('BODY_TOO_LARGE');
}

function chunked(target: string, ...chunks: string[]): string {
  const parts = [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  return head('POST', target, 'Transfer-Encoding: chunked') + parts.join('');
}

describe('maxBody', () => {
  it('takes a body of just that length', async () => {
    expect((await exchangeRaw(gateway.url, post('/small/fits', '0123456789'))).status).toBe(200);
    expect((await exchangeRaw(gateway.url, chunked('/small/fits-chunked', '01234', '56789'))).status).toBe(
      200,
    );
    expect((await exchangeRaw(gateway.url, post('/default/fits', 'a'.repeat(2000)))).status).toBe(200);
  });

  it('refuses from Content-Length, before anything of the body has come', async () => {
    const client = await connectRaw(gateway.url);
    client.send(head('POST', '/small/announced', 'Content-Length: 11'));
    expectTooLarge(await client.answer());
    await client.closed();
    expect(service.to('/small/announced')).toEqual([]);
    const line = await gateway.logged(({ msg, path }) => msg === 'access' && path === '/small/announced');
    expect(line).toMatchObject({ status: 413, failure: 'BODY_TOO_LARGE', blame: 'client', route: 'small' });
  });

  it('refuses without a 100 Continue', async () => {
    const client = await connectRaw(gateway.url);
    client.send(head('POST', '/small/expect', 'Content-Length: 11', 'Expect: 100-continue'));
    expectTooLarge(await client.answer());
    await client.closed();
  });

  it('lets the client that is still sending read the refusal', async () => {
    for (let i = 0; i < 5; i++) {
      const client = await connectRaw(gateway.url);
      client.send(head('POST', '/small/pushy', 'Content-Length: 500000'));
      client.send('a'.repeat(500_000));
      expectTooLarge(await client.answer());
    }
  });

  it('refuses in the middle of a chunked body', async () => {
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', '/small/middle', 'Transfer-Encoding: chunked')}5\r\n01234\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.send('6\r\n567890\r\n');
    expectTooLarge(await client.answer());
    await client.closed();
    // What the service may have begun to read never becomes a whole request.
    for (const request of service.to('/small/middle')) {
      expect((await request.whole).toString().length).toBeLessThanOrEqual(5);
      expect(request.socket.destroyed).toBe(true);
    }
  });

  it('refuses a chunked body that comes at once', async () => {
    expectTooLarge(await exchangeRaw(gateway.url, chunked('/small/at-once', '0123456789a')));
    expectTooLarge(
      await exchangeRaw(gateway.url, chunked('/large/at-once', 'a'.repeat(150_000), 'b'.repeat(150_000))),
    );
  });

  it('cuts an answer that has begun when the body turns out too large', async () => {
    service.on('/large/begun', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n');
    });
    const client = await connectRaw(gateway.url);
    client.send(
      `${head('POST', '/large/begun', 'Transfer-Encoding: chunked')}186a0\r\n${'a'.repeat(100_000)}\r\n`,
    );
    await client.until('begun');
    client.send(`186a0\r\n${'a'.repeat(100_000)}\r\n186a0\r\n${'a'.repeat(100_000)}\r\n`);
    await client.closed();
    const answer = await client.answer();
    expect([answer.status, answer.complete]).toEqual([200, false]);
    const line = await gateway.logged(({ msg, path }) => msg === 'access' && path === '/large/begun');
    expect(line).toMatchObject({ failure: 'BODY_TOO_LARGE', blame: 'client' });
  });

  it('of 0 takes no body at all', async () => {
    expect((await exchangeRaw(gateway.url, post('/none/empty', ''))).status).toBe(200);
    expect((await exchangeRaw(gateway.url, get('/none/get'))).status).toBe(200);
    expectTooLarge(await exchangeRaw(gateway.url, post('/none/one', 'x')));
    expectTooLarge(await exchangeRaw(gateway.url, chunked('/none/chunked', 'x')));
  });

  it('holds where the gateway answers by itself', async () => {
    expectTooLarge(await exchangeRaw(gateway.url, post('/own', '0123456789a')));
    expect((await exchangeRaw(gateway.url, post('/own', '0123456789'))).body.toString()).toBe('own');
  });

  it('leaves the next request alone', async () => {
    expect((await exchangeRaw(gateway.url, post('/small/next', 'fine'))).status).toBe(200);
  });
});

describe('maxUrl', () => {
  it('bounds path and query together', async () => {
    const path = '/default/url';
    const fits = `${path}?${'a'.repeat(100 - path.length - 1)}`;
    expect((await exchangeRaw(gateway.url, get(fits))).status).toBe(200);
    for (const target of [`${fits}aa`, `/default/${'a'.repeat(120)}`]) {
      const answer = await exchangeRaw(gateway.url, get(target));
      expect(answer.status).toBe(414);
      expect(JSON.parse(answer.body.toString()).code).toBe('URL_TOO_LONG');
    }
  });

  it('keeps the connection', async () => {
    const client = await connectRaw(gateway.url);
    expect((await client.send(get(`/default/${'a'.repeat(120)}`)).answer()).status).toBe(414);
    expect((await client.send(get('/default/next')).answer()).status).toBe(200);
  });

  it('is its own default on a route that names only the other bound', async () => {
    expect((await exchangeRaw(gateway.url, get(`/small/${'a'.repeat(120)}`))).status).toBe(200);
    expect((await exchangeRaw(gateway.url, get(`/small/${'a'.repeat(9000)}`))).status).toBe(414);
  });
});
