/** Answers that are right but rare: they must come through as what they are. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    services: { scripted: { endpoints: [service.url] } },
    routes: [{ name: 'scripted', match: { path: '/*' }, service: 'scripted' }],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

/** The service answers each request to this path with these bytes. */
function answers(path: string, bytes: string, then: 'end' | 'keep' = 'keep'): void {
  service.on(path, async (socket, request) => {
    await request.whole;
    socket.write(Buffer.from(bytes, 'latin1'));
    if (then === 'end') socket.end();
  });
}

describe('an answer of known length', () => {
  it('keeps its length', async () => {
    answers('/known', ok('hello'));
    const answer = await exchangeRaw(gateway.url, get('/known'));
    expect(answer).toMatchObject({ status: 200, framing: 'length', complete: true });
    expect(answer.body.toString()).toBe('hello');
  });

  it('keeps its length when it comes in pieces', async () => {
    service.on('/pieces', async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n');
      for (const piece of ['he', 'l', 'lo wo', 'rd']) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.write(piece);
      }
    });
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/pieces')).answer();
    expect(answer).toMatchObject({ framing: 'length', complete: true });
    expect(answer.body.toString()).toBe('hello word');
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it('may be empty', async () => {
    answers('/empty', ok(''));
    const answer = await exchangeRaw(gateway.url, get('/empty'));
    expect(answer.header('content-length')).toBe('0');
    expect(answer.complete).toBe(true);
  });
});

describe('an answer of unknown length', () => {
  it('stays chunked', async () => {
    answers(
      '/chunked',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n',
    );
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/chunked')).answer();
    expect(answer).toMatchObject({ status: 200, framing: 'chunked', complete: true });
    expect(answer.body.toString()).toBe('onetwo');
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it('loses the extensions of its chunks', async () => {
    answers('/extended', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\none\r\n0;c\r\n\r\n');
    expect((await exchangeRaw(gateway.url, get('/extended'))).body.toString()).toBe('one');
  });

  it('loses its trailers, and the next one is not confused by them', async () => {
    answers(
      '/trailers',
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n',
    );
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 2; i++) {
      const answer = await client.send(get('/trailers')).answer();
      expect(answer).toMatchObject({ status: 200, framing: 'chunked', complete: true });
      expect(answer.body.toString()).toBe('one');
      expect(answer.header('trailer')).toBeUndefined();
      expect(answer.header('x-sum')).toBeUndefined();
    }
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it.each([
    ['HTTP/1.1', 'HTTP/1.1 200 OK\r\n\r\nto the end'],
    ['HTTP/1.1 with "close"', 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nto the end'],
  ])('may end with the connection (%s): the client still sees where', async (_what, bytes) => {
    answers('/to-the-end', bytes, 'end');
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/to-the-end')).answer();
    expect(answer).toMatchObject({ status: 200, framing: 'chunked', complete: true });
    expect(answer.body.toString()).toBe('to the end');
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it('may be empty', async () => {
    answers('/no-chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/no-chunks')).answer();
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.body.length).toBe(0);
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });
});

describe('interim answers', () => {
  it.each([
    ['102', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['103', 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'],
    [
      'several',
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n',
    ],
    ['an unasked 100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['103, then an unasked 100', 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n'],
  ])('are swallowed (%s)', async (_what, interim) => {
    answers('/interim', `${interim}${ok('final')}`);
    const client = await connectRaw(gateway.url);
    client.send(get('/interim'));
    await client.until('final');
    expect(client.received.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const answer = await client.answer();
    expect(answer.body.toString()).toBe('final');
    expect(answer.header('link')).toBeUndefined();
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it.each([1, 9, 10, 11, 12, 13, 23, 24])(
    'are swallowed when they come in two pieces (%i bytes)',
    async (at) => {
      const bytes = `HTTP/1.1 100 Continue\r\n\r\n${ok('final')}`;
      service.on('/halves', (socket) => {
        socket.write(bytes.slice(0, at), () => setTimeout(() => socket.write(bytes.slice(at)), 20));
      });
      expect((await exchangeRaw(gateway.url, get('/halves'))).body.toString()).toBe('final');
    },
  );

  it('are not looked for within the head of the final one', async () => {
    service.on('/within', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nX-Seen: ', () =>
        setTimeout(() => socket.write('HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\nfinal'), 20),
      );
    });
    const answer = await exchangeRaw(gateway.url, get('/within'));
    expect(answer.header('x-seen')).toBe('HTTP/1.1 103 x');
    expect(answer.body.toString()).toBe('final');
  });

  it.each([
    ['end', 'HTTP/1.1 100 Continue\r\n\r\n', 'UPSTREAM_RESET'],
    ['stop in their middle', 'HTTP/1.1 100 Cont', 'UPSTREAM_RESET'],
    ['are too long', `HTTP/1.1 103 Early Hints\r\nLink: ${'a'.repeat(70_000)}`, 'UPSTREAM_PROTOCOL_ERROR'],
    ['are none', 'HTTP/1.1 1000 Continue\r\n\r\n', 'UPSTREAM_PROTOCOL_ERROR'],
  ])('are no answer when they %s', async (_what, bytes, code) => {
    answers('/no-final', bytes, 'end');
    const answer = await exchangeRaw(gateway.url, get('/no-final'));
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body.toString()).code).toBe(code);
  });

  it('restart no clock: the final one may come later', async () => {
    service.on('/later', (socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\n', () => setTimeout(() => socket.write(ok('final')), 50));
    });
    expect((await exchangeRaw(gateway.url, get('/later'))).body.toString()).toBe('final');
  });
});

describe('answers without a body', () => {
  it('to HEAD keep the length that GET would have had', async () => {
    answers('/sized', 'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n');
    const client = await connectRaw(gateway.url);
    const answer = await client.send(head('HEAD', '/sized')).answer({ to: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(answer.all('content-length')).toEqual(['12345']);
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it('to HEAD invent no length', async () => {
    answers('/unsized', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const client = await connectRaw(gateway.url);
    const answer = await client.send(head('HEAD', '/unsized')).answer({ to: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(answer.header('content-length')).toBeUndefined();
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it('to HEAD end the connection when the client asked for it', async () => {
    answers('/sized', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
    answers('/unsized', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const path of ['/sized', '/unsized']) {
      const client = await connectRaw(gateway.url);
      client.send(head('HEAD', path, 'Connection: close'));
      expect((await client.answer({ to: 'HEAD' })).status).toBe(200);
      await client.closed();
      expect(client.received.toString()).toBe('');
    }
  });

  it.each([
    [204, 'HTTP/1.1 204 No Content\r\nX-Kept: 1\r\n\r\n'],
    [304, 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nX-Kept: 1\r\n\r\n'],
    [304, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\nX-Kept: 1\r\n\r\n'],
    [205, 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\nX-Kept: 1\r\n\r\n'],
  ])('with %i pass, and the connection lives on', async (status, bytes) => {
    answers('/bodyless', bytes);
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/bodyless')).answer();
    expect(answer).toMatchObject({ status, complete: true });
    expect(answer.header('x-kept')).toBe('1');
    expect(answer.header('transfer-encoding')).toBeUndefined();
    expect((await client.send(get('/next')).answer()).body.toString()).toBe('/next');
  });

  it('with 204 end the connection when the client asked for it', async () => {
    answers('/gone', 'HTTP/1.1 204 No Content\r\n\r\n');
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/gone', 'Connection: close')).answer();
    expect(answer.status).toBe(204);
    expect(answer.header('connection')).toBe('close');
    expect(answer.header('content-length')).toBeUndefined();
    await client.closed();
  });
});

describe('any answer', () => {
  it.each([200, 201, 207, 226, 299, 300, 400, 404, 418, 451, 499, 500, 502, 503, 504, 511, 599])(
    'keeps status %i and its body',
    async (status) => {
      answers('/status', `HTTP/1.1 ${status} Some Phrase\r\nContent-Length: 4\r\n\r\nbody`);
      const answer = await exchangeRaw(gateway.url, get('/status'));
      expect([answer.status, answer.body.toString()]).toEqual([status, 'body']);
      expect(answer.header('proxy-status')).toBeUndefined();
    },
  );

  it('may have no reason phrase', async () => {
    answers('/short', 'HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody');
    expect((await exchangeRaw(gateway.url, get('/short'))).body.toString()).toBe('body');
  });

  it('may have a head of 40 KiB', async () => {
    answers('/big-head', `HTTP/1.1 200 OK\r\nX-Big: ${'a'.repeat(40_000)}\r\nContent-Length: 4\r\n\r\nbody`);
    const answer = await exchangeRaw(gateway.url, get('/big-head'));
    expect(answer.header('x-big')).toHaveLength(40_000);
    expect(answer.body.toString()).toBe('body');
  });

  it('keeps bytes beyond ASCII in its fields', async () => {
    answers(
      '/bytes',
      'HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nX-Utf8: caf\xc3\xa9\r\nContent-Length: 0\r\n\r\n',
    );
    const answer = await exchangeRaw(gateway.url, get('/bytes'));
    expect(answer.header('x-latin')).toBe('caf\xe9');
    expect(answer.header('x-utf8')).toBe('caf\xc3\xa9');
  });

  it('keeps every byte of its body', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
    answers('/all-bytes', `HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n${bytes}`);
    expect((await exchangeRaw(gateway.url, get('/all-bytes'))).body.toString('latin1')).toBe(bytes);
  });

  it('ends the connection when the client asked for it', async () => {
    answers('/known', ok('hello'));
    answers('/chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
    for (const path of ['/known', '/chunked']) {
      const client = await connectRaw(gateway.url);
      const answer = await client.send(get(path, 'Connection: close')).answer();
      expect(answer).toMatchObject({ complete: true });
      expect(answer.body.toString()).toBe('hello');
      await client.closed();
      expect(client.received.toString()).toBe('');
    }
  });

  it('says so once when it is the gateway that ends the connection', async () => {
    // After a chunked request body nothing on the connection can be trusted to be a request.
    answers('/known', ok('hello'));
    answers('/chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
    answers('/gone', 'HTTP/1.1 204 No Content\r\n\r\n');
    answers('/empty', ok(''));
    for (const path of ['/known', '/chunked', '/gone', '/empty']) {
      const client = await connectRaw(gateway.url);
      client.send(`${head('POST', path, 'Transfer-Encoding: chunked')}4\r\nbody\r\n0\r\n\r\n`);
      const answer = await client.answer();
      expect(answer.complete).toBe(true);
      expect(answer.all('connection').map((value) => value.toLowerCase())).toEqual(['close']);
      await client.closed();
    }
  });
});

describe('an answer before the request is whole', () => {
  const half = 'a'.repeat(200_000);

  it.each([
    ['a known length', `${head('POST', '/early', 'Content-Length: 400000')}${half}`],
    ['chunks', `${head('POST', '/early', 'Transfer-Encoding: chunked')}30d40\r\n${half}\r\n`],
  ])('reaches the client (body with %s)', async (_what, request) => {
    answersAtOnce('/early', 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno');
    const client = await connectRaw(gateway.url);
    const answer = await client.send(request).answer();
    expect([answer.status, answer.body.toString()]).toEqual([401, 'no']);
  });

  it('leaves the connection in order, or ends it', async () => {
    answersAtOnce('/early', ok('early'));
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', '/early', 'Content-Length: 400000')}${half}`);
    expect((await client.answer()).body.toString()).toBe('early');
    // The rest of the body looks like a request, and must never be taken for one.
    const smuggled = get('/smuggled');
    client.send(smuggled + 'a'.repeat(200_000 - smuggled.length));
    client.send(get('/next'));
    const next = await client.answer().catch(() => null);
    if (next?.complete) expect(next.body.toString()).toBe('/next');
    expect(service.to('/smuggled')).toEqual([]);
  });

  it('does not harm the requests that follow', async () => {
    answersAtOnce('/early', ok('early'));
    for (let i = 0; i < 5; i++) {
      const client = await connectRaw(gateway.url);
      client.send(`${head('POST', '/early', 'Content-Length: 400000')}${half}`);
      expect((await client.answer()).body.toString()).toBe('early');
      client.close();
      expect((await exchangeRaw(gateway.url, get(`/after-${i}`))).body.toString()).toBe(`/after-${i}`);
    }
  });

  function answersAtOnce(path: string, bytes: string): void {
    service.on(path, (socket) => void socket.write(bytes));
  }
});
