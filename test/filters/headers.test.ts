/** The `headers` filter in a running gateway, both ways. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get, head, type RawAnswer } from '../harness/raw-client.ts';
import {
  ok,
  type RawRequest,
  type ScriptedService,
  startScriptedService,
} from '../harness/scripted-service.ts';

let service: ScriptedService;
let gateway: RunningGateway;

const OPERATIONS: Record<string, object> = {
  set: { set: { 'X-Set': 'ours', 'x-empty': '' } },
  add: { add: { 'X-Added': 'ours' } },
  remove: { remove: ['X-Gone', 'x-absent'] },
  rename: { rename: { 'X-Old': 'X-New' } },
  order: {
    rename: { 'x-a': 'x-b' },
    remove: ['x-c'],
    set: { 'x-d': 'set' },
    add: { 'x-d': 'added', 'x-b': 'again' },
  },
  variables: {
    set: {
      'x-all':
        '${client.ip} ${request.method} ${request.path} ${request.query} ${request.host} ${request.scheme} ${route.name} ${service.name}',
      'x-id': '${request.id}',
      'x-param': '${param.*}',
      'x-header': '<${header.x-given}>',
      'x-query': '<${query.page}>',
    },
  },
};

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    services: { scripted: { endpoints: [service.url] }, closed: { endpoints: ['http://127.0.0.1:1'] } },
    defaults: {
      headers: {
        request: { set: { 'x-default': 'request' } },
        response: { set: { 'x-default': 'response' }, remove: ['server'] },
      },
    },
    routes: [
      { name: 'plain', match: { path: '/plain' }, service: 'scripted' },
      { name: 'off', match: { path: '/off' }, service: 'scripted', headers: {} },
      { name: 'closed', match: { path: '/closed' }, service: 'closed' },
      ...Object.entries(OPERATIONS).flatMap(([name, operations]) => [
        {
          name: `request-${name}`,
          match: { path: `/request/${name}/*` },
          service: 'scripted',
          headers: { request: operations },
        },
        {
          name: `response-${name}`,
          match: { path: `/response/${name}/*` },
          service: 'scripted',
          headers: { response: operations },
        },
      ]),
      {
        name: 'own',
        match: { path: '/own/:id' },
        respond: { body: 'own', headers: { 'x-old': 'a' } },
        headers: { response: { rename: { 'x-old': 'x-new' }, set: { 'x-param': '${param.id}' } } },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

/** The request as the service saw it. */
async function towardsService(operation: string, ...fields: string[]): Promise<RawRequest> {
  const path = `/request/${operation}/${service.seen.length}`;
  await exchangeRaw(gateway.url, get(path, ...fields));
  return service.to(path)[0];
}

async function towardsClient(operation: string, ...fields: string[]): Promise<RawAnswer> {
  const path = `/response/${operation}/x`;
  service.on(path, (socket) => void socket.write(ok('body', ...fields)));
  return await exchangeRaw(gateway.url, get(path));
}

/** Both ways work alike: `all` gives the values of a field that arrived. */
describe.each([
  ['towards the service', towardsService],
  ['towards the client', towardsClient],
])('%s', (_way, pass) => {
  it('set puts one in the place of all of that name', async () => {
    const message = await pass('set', 'X-Set: a', 'x-set: b', 'X-Other: c');
    expect(message.all('x-set')).toEqual(['ours']);
    expect(message.all('x-empty')).toEqual(['']);
    expect(message.all('x-other')).toEqual(['c']);
    expect((await pass('set')).all('x-set')).toEqual(['ours']);
  });

  it('add puts one beside those of that name', async () => {
    expect((await pass('add', 'X-Added: a', 'X-Added: b')).all('x-added')).toEqual(['a', 'b', 'ours']);
    expect((await pass('add')).all('x-added')).toEqual(['ours']);
  });

  it('remove takes all of that name', async () => {
    const message = await pass('remove', 'X-Gone: a', 'X-GONE: b', 'X-Stays: c');
    expect(message.all('x-gone')).toEqual([]);
    expect(message.all('x-stays')).toEqual(['c']);
  });

  it('rename moves all values', async () => {
    const message = await pass('rename', 'X-Old: a', 'X-Old: b', 'X-New: c');
    expect(message.all('x-old')).toEqual([]);
    expect(message.all('x-new')).toEqual(['a', 'b', 'c']);
  });

  it('they run in the order rename, remove, set, add', async () => {
    const message = await pass('order', 'X-A: 1', 'X-B: 2', 'X-C: 3', 'X-D: 4');
    expect(message.all('x-a')).toEqual([]);
    expect(message.all('x-b')).toEqual(['1', '2', 'again']);
    expect(message.all('x-c')).toEqual([]);
    expect(message.all('x-d')).toEqual(['set', 'added']);
  });
});

describe('values', () => {
  it('name the request towards the service', async () => {
    await exchangeRaw(gateway.url, get('/request/variables/a/b?page=2&x=%20', 'X-Given: given'));
    const request = service.to('/request/variables/a/b')[0];
    expect(request.header('x-all')).toBe(
      '127.0.0.1 GET /request/variables/a/b page=2&x=%20 shop.example.com http request-variables scripted',
    );
    expect(request.header('x-id')).toBe(request.header('x-request-id'));
    expect(request.header('x-param')).toBe('a/b');
    expect(request.header('x-header')).toBe('<given>');
    expect(request.header('x-query')).toBe('<2>');
  });

  it('name the request towards the client', async () => {
    const answer = await exchangeRaw(gateway.url, get('/response/variables/a/b?page=2', 'X-Given: given'));
    expect(answer.header('x-all')).toBe(
      '127.0.0.1 GET /response/variables/a/b page=2 shop.example.com http response-variables scripted',
    );
    expect(answer.header('x-id')).toBe(answer.header('x-request-id'));
    expect(answer.header('x-param')).toBe('a/b');
    expect(answer.header('x-header')).toBe('<given>');
    expect(answer.header('x-query')).toBe('<2>');
  });

  it('cannot be made to split a field by what a client sends', async () => {
    const answer = await exchangeRaw(
      gateway.url,
      get('/response/variables/x?page=2%0d%0aX-Evil:1', 'X-Given: a\tb'),
    );
    expect(answer.header('x-query')).toBe('<2%0d%0aX-Evil:1>');
    expect(answer.header('x-evil')).toBeUndefined();
    expect(answer.header('x-header')).toBe('<a\tb>');
  });

  it('keep the bytes of the client beyond ASCII', async () => {
    const answer = await exchangeRaw(gateway.url, get('/response/variables/x', 'X-Given: caf\xc3\xa9!'));
    expect(answer.header('x-header')).toBe('<caf\xc3\xa9!>');
  });
});

describe('the defaults', () => {
  it('hold for routes that do not name the filter', async () => {
    service.on('/plain', (socket) => void socket.write(ok('body', 'Server: theirs')));
    const answer = await exchangeRaw(gateway.url, get('/plain'));
    expect(answer.header('x-default')).toBe('response');
    expect(answer.header('server')).toBeUndefined();
    expect(service.to('/plain')[0].header('x-default')).toBe('request');
  });

  it('give way as a whole to what a route says', async () => {
    const answer = await exchangeRaw(gateway.url, get('/off'));
    expect(answer.header('x-default')).toBeUndefined();
    expect(service.to('/off')[0].header('x-default')).toBeUndefined();
    const renamed = await towardsService('rename');
    expect(renamed.header('x-default')).toBeUndefined();
  });
});

describe('answers of our own', () => {
  it('are changed too', async () => {
    const answer = await exchangeRaw(gateway.url, get('/own/7'));
    expect(answer.all('x-old')).toEqual([]);
    expect(answer.all('x-new')).toEqual(['a']);
    expect(answer.all('x-param')).toEqual(['7']);
  });

  it('are changed when they are errors', async () => {
    const answer = await exchangeRaw(gateway.url, get('/closed'));
    expect([answer.status, answer.header('x-default')]).toEqual([502, 'response']);
  });

  it('have the same head for HEAD', async () => {
    const answer = await exchangeRaw(gateway.url, head('HEAD', '/own/7'));
    expect(answer.all('x-new')).toEqual(['a']);
    expect(answer.header('content-length')).toBe('3');
  });
});
