/** Answers that the gateway gives by itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, post, type RawAnswer } from '../harness/raw-client.ts';
import { type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from './books.ts';

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    accessLog: 'all',
    services: { scripted: { endpoints: [service.url] } },
    defaults: { headers: { response: { set: { 'x-frame-options': 'DENY' } } } },
    routes: [
      { name: 'root', match: { path: '/', methods: ['GET'] }, respond: { body: 'welcome' } },
      {
        name: 'json',
        match: { path: '/json' },
        respond: {
          status: 418,
          headers: { 'X-Kind': 'teapot', 'Cache-Control': 'no-store' },
          body: { tea: ['green'] },
        },
      },
      { name: 'empty', match: { path: '/empty' }, respond: {} },
      { name: 'no-content', match: { path: '/no-content' }, respond: { status: 204 } },
      { name: 'moved', match: { path: '/moved' }, redirect: '/new' },
      {
        name: 'moved-with',
        match: { path: '/old/:id/*' },
        redirect: {
          to: 'https://${request.host}/new/${param.id}/${param.*}?from=${request.path}',
          status: 302,
        },
      },
      { name: 'only-get', match: { path: '/only', methods: ['GET'] }, service: 'scripted' },
      { name: 'only-put', match: { path: '/only', methods: ['PUT', 'DELETE'] }, service: 'scripted' },
      { name: 'users', match: { path: '/users/:id', methods: ['GET'] }, service: 'scripted' },
      { name: 'slashes', match: { path: '/slashes/*', encodedSlashes: true }, service: 'scripted' },
      { name: 'hosted', match: { path: '/hosted', host: 'only.example.com' }, service: 'scripted' },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
});

function problemOf(answer: RawAnswer) {
  expect(answer.header('content-type')).toBe('application/problem+json');
  expect(answer.header('cache-control')).toBe('no-store');
  return JSON.parse(answer.body.toString());
}

describe('respond', () => {
  it('gives a fixed text', async () => {
    const answer = await exchangeRaw(gateway.url, get('/'));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'welcome']);
    expect(answer.header('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.all('content-length')).toEqual(['7']);
    expect(answer.header('x-request-id')).toBeDefined();
    expect(answer.all('date')).toHaveLength(1);
  });

  it('gives JSON with status and headers of its own', async () => {
    const answer = await exchangeRaw(gateway.url, get('/json'));
    expect(answer.status).toBe(418);
    expect(JSON.parse(answer.body.toString())).toEqual({ tea: ['green'] });
    expect(answer.header('content-type')).toBe('application/json');
    expect(answer.header('x-kind')).toBe('teapot');
    expect(answer.header('cache-control')).toBe('no-store');
  });

  it('may have no body', async () => {
    const empty = await exchangeRaw(gateway.url, get('/empty'));
    expect([empty.status, empty.header('content-length'), empty.header('content-type')]).toEqual([
      200,
      '0',
      undefined,
    ]);
    const none = await exchangeRaw(gateway.url, get('/no-content'));
    expect([none.status, none.header('content-length')]).toEqual([204, undefined]);
  });

  it('to HEAD is the same without the body', async () => {
    const client = await connectRaw(gateway.url);
    const answer = await client.send(head('HEAD', '/')).answer({ to: 'HEAD' });
    expect([answer.status, answer.header('content-length')]).toEqual([200, '7']);
    expect((await client.send(get('/json')).answer()).status).toBe(418);
  });

  it('keeps the connection, and ends it when the client asks', async () => {
    const client = await connectRaw(gateway.url);
    for (const path of ['/', '/empty', '/no-content', '/moved', '/nowhere', '/']) {
      expect((await client.send(get(path)).answer()).complete).toBe(true);
    }
    for (const path of ['/', '/empty', '/no-content', '/moved', '/nowhere']) {
      const closing = await connectRaw(gateway.url);
      expect((await closing.send(get(path, 'Connection: close')).answer()).complete).toBe(true);
      await closing.closed();
      expect(closing.received.toString()).toBe('');
    }
  });

  it('does not wait for the body of the request', async () => {
    const client = await connectRaw(gateway.url);
    client.send(head('POST', '/json', 'Content-Length: 100000'));
    expect((await client.answer()).status).toBe(418);
  });

  it('takes a request with a body, and the next one on the connection', async () => {
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 3; i++) {
      expect((await client.send(post('/json', 'x'.repeat(100))).answer()).status).toBe(418);
    }
  });
});

describe('redirect', () => {
  it('is permanent and keeps the method unless told otherwise', async () => {
    const answer = await exchangeRaw(gateway.url, get('/moved'));
    expect([answer.status, answer.header('location')]).toEqual([308, '/new']);
    expect(answer.header('content-length')).toBe('0');
  });

  it('names what the request holds', async () => {
    const answer = await exchangeRaw(gateway.url, get('/old/7/a/b?x=1'));
    expect(answer.status).toBe(302);
    expect(answer.header('location')).toBe('https://shop.example.com/new/7/a/b?from=/old/7/a/b');
  });

  it('cannot be made to split the answer', async () => {
    const answer = await exchangeRaw(gateway.url, get('/old/%41/a%20b'));
    expect(answer.header('location')).toBe('https://shop.example.com/new/A/a%20b?from=/old/A/a%20b');
    const split = await exchangeRaw(gateway.url, get('/old/7/a%0d%0aX-Evil:%201'));
    expect(split.status).toBe(400);
    expect(split.header('x-evil')).toBeUndefined();
  });
});

describe('a request that no route takes', () => {
  it('is a 404', async () => {
    const answer = await exchangeRaw(gateway.url, get('/nowhere'));
    expect(answer.status).toBe(404);
    expect(problemOf(answer)).toEqual({
      type: 'urn:sluice:error:not-found',
      title: 'Not found',
      status: 404,
      code: 'NOT_FOUND',
      error: 'NOT_FOUND',
      detail: 'No route matches this request.',
      message: 'No route matches this request.',
      instance: '/nowhere',
      request_id: answer.header('x-request-id'),
    });
    const line = await gateway.logged(({ msg, path }) => msg === 'access' && path === '/nowhere');
    expect(line).toMatchObject({ route: null, status: 404, failure: 'NOT_FOUND', blame: 'client' });
  });

  it('is a 404 for another host, path or segment', async () => {
    for (const path of ['/hosted', '/users', '/users/', '/users/1/2', '/only/', '/ONLY']) {
      expect((await exchangeRaw(gateway.url, get(path))).status).toBe(404);
    }
  });

  it('is a 405 when only the method is wrong, and Allow says which are right', async () => {
    const answer = await exchangeRaw(gateway.url, head('PATCH', '/only', 'Content-Length: 0'));
    expect(answer.status).toBe(405);
    expect(problemOf(answer).code).toBe('METHOD_NOT_ALLOWED');
    const allowed = (answer.header('allow') as string).split(', ').sort();
    expect(allowed).toEqual(['DELETE', 'GET', 'HEAD', 'PUT']);
    expect((await exchangeRaw(gateway.url, post('/users/7', ''))).status).toBe(405);
  });

  it('is a 405 for TRACE, everywhere', async () => {
    for (const path of ['/slashes/x', '/nowhere']) {
      const answer = await exchangeRaw(gateway.url, head('TRACE', path));
      expect(answer.status).toBe(405);
      expect(answer.header('allow')).not.toContain('TRACE');
      expect(answer.body.toString()).not.toContain('x-forwarded-for');
    }
    expect(service.seen.filter((request) => request.method === 'TRACE')).toEqual([]);
  });

  it('to HEAD has the head of the problem and no body', async () => {
    const client = await connectRaw(gateway.url);
    const answer = await client.send(head('HEAD', '/nowhere')).answer({ to: 'HEAD' });
    expect(answer.status).toBe(404);
    expect(Number(answer.header('content-length'))).toBeGreaterThan(100);
    expect((await client.send(get('/')).answer()).body.toString()).toBe('welcome');
  });

  it('takes HEAD where GET is taken', async () => {
    const client = await connectRaw(gateway.url);
    expect((await client.send(head('HEAD', '/users/7')).answer({ to: 'HEAD' })).status).toBe(200);
  });
});

describe('an encoded slash', () => {
  it('is refused unless the route takes it', async () => {
    const refused = await exchangeRaw(gateway.url, get('/users/a%2fb'));
    expect(refused.status).toBe(400);
    expect(problemOf(refused).code).toBe('BAD_PATH');
    expect(problemOf(refused).detail).toMatch(/slash/);
    const taken = await exchangeRaw(gateway.url, get('/slashes/a%2fb'));
    expect(taken.body.toString()).toBe('/slashes/a%2Fb');
  });
});

describe('any answer of our own', () => {
  it('passes the response operations of the defaults', async () => {
    for (const path of ['/', '/moved', '/users/a%2Fb']) {
      expect((await exchangeRaw(gateway.url, get(path))).all('x-frame-options')).toEqual(['DENY']);
    }
  });

  it('holds no request data that could be taken for markup', async () => {
    const answer = await exchangeRaw(gateway.url, get('/%3Cscript%3Ealert(1)%3C/script%3E'));
    expect(answer.body.toString()).not.toContain('<script>');
  });
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
