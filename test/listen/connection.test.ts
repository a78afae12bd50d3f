/** The life of a client's connection: how long it is kept, what ends it, and what becomes of requests that come too early. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { connectRaw, get, head, post } from '../harness/raw-client.ts';
import { useTarget } from '../security/target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service], timeouts: { idle: '2s' } } },
  routes: [
    { name: 'all', match: { path: '/*' }, service: 'service' },
    { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'fixed' } },
    { name: 'reset', match: { path: '/reset' }, respond: { status: 205 } },
  ],
}));

describe('a connection', () => {
  it.each([
    ['nothing', []],
    ['keep-alive', ['Connection: keep-alive']],
    ['an option that is not "close"', ['Connection: closed']],
    ['other options', ['Connection: keep-alive, x-close']],
  ])('is kept when the client says %s', async (_what, fields) => {
    const client = await connectRaw(target.gateway.url);
    for (const path of ['/1', '/fixed', '/2', '/fixed']) {
      const answer = await client.send(get(path, ...fields)).answer();
      expect(answer.status).toBe(200);
      expect(answer.header('connection')).toBeUndefined();
    }
  });

  it.each([
    ['close', ['Connection: close']],
    ['Close', ['Connection: Close']],
    ['close among others', ['Connection: te, close']],
    ['close on a second line', ['Connection: te', 'Connection: close']],
  ])('ends with the answer when the client says %s', async (_what, fields) => {
    for (const bytes of [
      get('/1', ...fields),
      get('/fixed', ...fields),
      post('/1', 'abc', ...fields),
      head('HEAD', '/1', ...fields),
    ]) {
      const client = await connectRaw(target.gateway.url);
      const answer = await client.send(bytes).answer({ to: bytes.split(' ', 1)[0] });
      expect(answer).toMatchObject({ status: 200, complete: true });
      // The listener does not repeat a plain `close` of the client.
      expect(['close', undefined]).toContain(answer.header('connection'));
      await client.closed(2000);
      expect(client.received).toHaveLength(0);
    }
  });

  it('is kept after a body that was read, and after an answer without one', async () => {
    const client = await connectRaw(target.gateway.url);
    expect((await client.send(post('/1', 'abc')).answer()).status).toBe(200);
    expect((await client.send(post('/1', 'a'.repeat(200_000))).answer()).status).toBe(200);
    expect((await client.send(head('HEAD', '/fixed')).answer({ to: 'HEAD' })).header('content-length')).toBe(
      '5',
    );
    const reset = await client.send(get('/reset')).answer();
    expect(`${reset.status} ${reset.header('content-length')} ${reset.body}`).toBe('205 0 ');
    expect((await client.send(get('/fixed')).answer()).body.toString()).toBe('fixed');
  });

  it('takes a request in any pieces', async () => {
    const bytes = post('/pieces', 'abcdef', 'X-A: 1');
    for (const size of [1, 2, 3, 7, 31]) {
      const client = await connectRaw(target.gateway.url);
      for (let at = 0; at < bytes.length; at += size) {
        client.send(bytes.slice(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await client.answer()).status).toBe(200);
    }
    expect(target.seen.map((request) => request.body.toString())).toEqual(Array(5).fill('abcdef'));
  });
});

describe('requests sent ahead', () => {
  it('are answered in order when the gateway answers them by itself', async () => {
    const client = await connectRaw(target.gateway.url);
    client.send(get('/fixed') + head('HEAD', '/fixed') + get('/reset') + get('/fixed'));
    expect((await client.answer()).body.toString()).toBe('fixed');
    expect((await client.answer({ to: 'HEAD' })).body).toHaveLength(0);
    expect((await client.answer()).status).toBe(205);
    expect((await client.answer()).body.toString()).toBe('fixed');
  });

  it('may follow each answer at once', async () => {
    const client = await connectRaw(target.gateway.url);
    for (let i = 0; i < 20; i++) {
      expect((await client.send(get(`/${i}`)).answer()).body.toString()).toBe(`/${i}`);
    }
  });

  // The listener takes one at a time. A client may not send ahead of an answer unless it is ready to send again
  // (RFC 9112 §9.3.2).
  it('end the connection while an answer is awaited from a service: none of them is executed', async () => {
    target.service.on('/slow', () => {});
    const client = await connectRaw(target.gateway.url);
    client.send(get('/slow') + post('/ahead', 'abc'));
    await client.closed(2000);
    expect(client.received).toHaveLength(0);
    expect(target.seen.map((request) => request.target)).not.toContain('/ahead');
  });
});

describe('a client that ends its side', () => {
  function halfClosed(bytes: string): Promise<string> {
    const { hostname, port } = new URL(target.gateway.url);
    return new Promise((resolve, reject) => {
      let received = '';
      const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      socket.setEncoding('latin1').on('data', (text) => {
        received += text;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(received));
      socket.on('end', () => socket.destroy());
      socket.end(Buffer.from(bytes, 'latin1'));
    });
  }

  it('still gets an answer that the gateway gives by itself', async () => {
    expect(await halfClosed(get('/fixed'))).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  // The listener takes the end of the client's side for the end of the connection.
  it('gets no answer of a service: it counts as gone', async () => {
    expect(await halfClosed(get('/1'))).toBe('');
    await target.stands(false);
  });
});
