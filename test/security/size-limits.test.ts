/**
 * Exhaustion by size: heads, targets and bodies that never end. The listener bounds the head before any of our code runs
 * (431), the route its target (414) and its body (413): by the announced length before one byte is read, else in the middle
 * of it. A body that nobody will read costs the connection, so that the rest is never taken for a request.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, exchangeRaw, get, head, post } from '../harness/raw-client.ts';
import { codeOf, LISTENER, useTarget } from './target.ts';

const target = useTarget((service) => ({
  listen: { host: '127.0.0.1', port: 0, maxHeaderBytes: '4KiB' },
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'all', match: { path: '/*' }, service: 'service' },
    {
      name: 'small',
      match: { path: '/small/*' },
      service: 'service',
      requestSize: { maxBody: 10, maxUrl: 30 },
    },
    { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'fixed' } },
    { name: 'none', match: { path: '/none' }, service: 'service', requestSize: { maxBody: 0 } },
  ],
  defaults: { requestSize: { maxBody: '1KiB', maxUrl: '1KiB' } },
}));

/** A head of exactly so many bytes. */
function headOf(bytes: number): string {
  const empty = get('/sized', 'X-A: ');
  return get('/sized', `X-A: ${'a'.repeat(bytes - empty.length)}`);
}

describe('a head', () => {
  it('may be as large as the limit', async () => {
    expect((await target.passes(headOf(4096))).header('x-a')?.length).toBeGreaterThan(3900);
  });

  it.each([
    ['one byte more', headOf(4097)],
    ['much more', headOf(100_000)],
    ['very much more', headOf(200_000)],
    ['a target that is longer', get(`/${'a'.repeat(5000)}`)],
    ['a name that is longer', get('/sized', `${'a'.repeat(5000)}: 1`)],
    ['a method that is longer', head('M'.repeat(5000), '/sized')],
  ])('%s: refused', async (_what, bytes) => {
    await target.refuses(bytes, 431, LISTENER);
  });

  it('that never ends is refused as soon as it is too large', async () => {
    const client = await connectRaw(target.gateway.url);
    client.send('GET /sized HTTP/1.1\r\nHost: a\r\n');
    for (let sent = 0; sent < 6 && !client.ended; sent++) {
      client.send(`X-${sent}: ${'a'.repeat(1000)}\r\n`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await client.answer()).status).toBe(431);
    await client.closed(2000);
    await target.stands();
  });

  it('holds 98 fields, Host among them, and no more', async () => {
    const fields = (count: number) => Array.from({ length: count - 1 }, (_, i) => `X-${i}: 1`);
    expect((await target.passes(get('/many', ...fields(98)))).header('x-96')).toBe('1');
    target.service.seen.length = 0;
    await target.refuses(get('/many', ...fields(99)), 431, LISTENER);
    await target.refuses(get('/many', ...fields(400)), 431, LISTENER);
  });
});

describe('a target', () => {
  it('may be as long as the route allows, path and query together', async () => {
    expect((await target.passes(get(`/small/${'a'.repeat(23)}`))).target).toHaveLength(30);
    expect((await target.passes(get(`/small/?${'a'.repeat(22)}`))).target).toHaveLength(30);
  });

  it.each([
    ['a path', get(`/small/${'a'.repeat(24)}`)],
    ['a query', get(`/small/?${'a'.repeat(25)}`)],
    ['a path beyond the default', get(`/${'a'.repeat(1100)}`)],
    ['a fixed answer behind it', get(`/fixed?${'a'.repeat(1100)}`)],
  ])('%s that is longer: refused', async (_what, bytes) => {
    await target.refusesAndStays(bytes, 414, 'URL_TOO_LONG');
  });
});

describe('a body of known length', () => {
  it('may be as large as the route allows', async () => {
    expect((await target.passes(post('/small/x', '1234567890'))).body.length).toBe(10);
    expect((await target.passes(post('/x', 'a'.repeat(1024)))).body.length).toBe(1024);
  });

  it.each([
    ['one byte more', post('/small/x', '12345678901')],
    ['one byte more than the default', post('/x', 'a'.repeat(1025))],
    ['much more', head('POST', '/small/x', 'Content-Length: 999999999999999')],
    ['nothing is allowed', post('/none', 'a')],
    ['before a fixed answer', post('/fixed', 'a'.repeat(1025))],
  ])('%s: refused', async (_what, bytes) => {
    await target.refuses(bytes, 413, 'BODY_TOO_LARGE');
  });

  it('is refused before one byte of it is read', async () => {
    await target.refuses(head('POST', '/small/x', 'Content-Length: 11'), 413, 'BODY_TOO_LARGE');
  });

  it('that is refused while it comes is not read on, and what it hides is not executed', async () => {
    const client = await connectRaw(target.gateway.url);
    client.send(
      head('POST', '/small/x', 'Content-Length: 5000') +
        'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20),
    );
    expect((await client.answer()).status).toBe(413);
    await client.closed(2000);
    await target.stands();
  });
});

describe('a chunked body', () => {
  const chunked = (path: string, ...chunks: string[]) =>
    head('POST', path, 'Transfer-Encoding: chunked') +
    chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');

  it('may be as large as the route allows', async () => {
    const seen = await target.passes(`${chunked('/small/x', '12345', '67890')}0\r\n\r\n`);
    expect(seen.body.toString()).toBe('1234567890');
  });

  it.each([
    ['in one chunk', `${chunked('/small/x', '12345678901')}0\r\n\r\n`],
    ['in two', `${chunked('/small/x', '12345', '678901')}0\r\n\r\n`],
    ['before its end', chunked('/small/x', '12345', '678901')],
    ['where nothing is allowed', `${chunked('/none', 'a')}0\r\n\r\n`],
  ])('that is larger is refused: %s', async (_what, bytes) => {
    const client = await connectRaw(target.gateway.url);
    const answer = await client.send(bytes).answer();
    expect(`${answer.status} ${codeOf(answer)}`).toBe('413 BODY_TOO_LARGE');
    await client.closed(2000);
    await target.stands(false);
    // The service may have seen its beginning, never its end.
    for (const { body, socket } of target.seen) {
      expect(body.length).toBeLessThanOrEqual(10);
      expect(socket.destroyed).toBe(true);
    }
  });

  it('that is larger is refused in the middle, while the client still sends', async () => {
    const client = await connectRaw(target.gateway.url);
    client.send(chunked('/small/x', '12345'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.send('6\r\n678901\r\n');
    const answer = await client.answer();
    expect(`${answer.status} ${codeOf(answer)}`).toBe('413 BODY_TOO_LARGE');
    await client.closed(2000);
    expect((await exchangeRaw(target.gateway.url, post('/small/x', '1234567890'))).status).toBe(200);
  });
});
