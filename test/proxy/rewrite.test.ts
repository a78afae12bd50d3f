/** What the service is asked for, when it is not what the client asked for. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get } from '../harness/raw-client.ts';
import { type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

let service: ScriptedService;
let gateway: RunningGateway;

const REWRITES: Record<string, { path: string; rewrite: object; encodedSlashes?: boolean }> = {
  same: { path: '/same/*', rewrite: {} },
  stripped: { path: '/api/v1/quotes/*', rewrite: { prefix: '/' } },
  replaced: { path: '/replaced/*', rewrite: { prefix: '/inner/v2' } },
  slashed: { path: '/slashed/*', rewrite: { prefix: '/inner/' }, encodedSlashes: true },
  template: { path: '/v2/users/:id', rewrite: { path: '/users/:id' } },
  swapped: { path: '/swap/:a/:b/*', rewrite: { path: '/x/:b/:a/y/*' } },
  fixed: { path: '/fixed/:id', rewrite: { path: '/always' } },
  root: { path: '/root/:id', rewrite: { path: '/' } },
  'query-set': {
    path: '/query/set/:id',
    rewrite: {
      query: {
        set: { source: 'gateway', id: '${param.id}', ip: '${client.ip}', 'a b': 'c&d=e', q: '${query.from}' },
      },
    },
  },
  'query-remove': { path: '/query/remove', rewrite: { query: { remove: ['debug', 'a b'] } } },
  both: {
    path: '/both/*',
    rewrite: { prefix: '/', query: { set: { page: '1' }, remove: ['token'] } },
  },
};

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    services: { scripted: { endpoints: [service.url] } },
    routes: Object.entries(REWRITES).map(([name, { path, rewrite, encodedSlashes = false }]) => ({
      name,
      match: { path, encodedSlashes },
      service: 'scripted',
      rewrite,
    })),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

/** What the service is asked for when a client asks for this: it answers with it. */
async function target(asked: string): Promise<string> {
  const answer = await exchangeRaw(gateway.url, get(asked));
  expect(answer.status).toBe(200);
  return answer.body.toString();
}

describe('without a rewrite', () => {
  it.each([
    ['/same/a/b', '/same/a/b'],
    ['/same/', '/same/'],
    ['/same/a?x=1&y=2&x=3', '/same/a?x=1&y=2&x=3'],
    ['/same/a?', '/same/a'],
    ['/same/a?x=%20+%26&%79=1', '/same/a?x=%20+%26&%79=1'],
    ['/same/%7Euser/%c3%a9', '/same/~user/%C3%A9'],
    ['/same//a///b', '/same/a/b'],
    ['/same/a;v=1,2/b@c:d', '/same/a;v=1,2/b@c:d'],
  ])('%s is passed as %s', async (asked, expected) => {
    expect(await target(asked)).toBe(expected);
  });
});

describe('prefix', () => {
  it.each([
    ['/api/v1/quotes/x/y?z=1', '/x/y?z=1'],
    ['/api/v1/quotes/', '/'],
    ['/replaced/x', '/inner/v2/x'],
    ['/replaced/', '/inner/v2/'],
    ['/slashed/x', '/inner/x'],
    ['/slashed/a%2Fb', '/inner/a%2Fb'],
    ['/replaced/a%20b', '/inner/v2/a%20b'],
  ])('turns %s into %s', async (asked, expected) => {
    expect(await target(asked)).toBe(expected);
  });

  it('can never make the rest a host name', async () => {
    expect(await target('/api/v1/quotes//evil.example.com/x')).toBe('/evil.example.com/x');
  });
});

describe('path', () => {
  it.each([
    ['/v2/users/42?x=1', '/users/42?x=1'],
    ['/v2/users/a%20b', '/users/a%20b'],
    ['/swap/1/2/3/4', '/x/2/1/y/3/4'],
    ['/swap/1/2/', '/x/2/1/y/'],
    ['/fixed/7?x', '/always?x'],
    ['/root/7', '/'],
  ])('turns %s into %s', async (asked, expected) => {
    expect(await target(asked)).toBe(expected);
  });
});

describe('query', () => {
  it('sets parameters, with their values encoded', async () => {
    const asked = await target('/query/set/7');
    expect(asked.startsWith('/query/set/7?')).toBe(true);
    expect(Object.fromEntries(new URLSearchParams(asked.split('?')[1]))).toEqual({
      source: 'gateway',
      id: '7',
      ip: '127.0.0.1',
      'a b': 'c&d=e',
      q: '',
    });
  });

  it('lets no client add to what is set, in whatever spelling', async () => {
    const asked = await target('/query/set/7?source=client&%73ource=forged&x=1&sourc%65&Source=other');
    const parameters = new URLSearchParams(asked.split('?')[1]);
    expect(parameters.getAll('source')).toEqual(['gateway']);
    expect(parameters.getAll('x')).toEqual(['1']);
    expect(parameters.getAll('Source')).toEqual(['other']);
  });

  it('cannot be broken out of by a value of the request', async () => {
    const asked = await target('/query/set/a%26b=c?from=x%26admin%3D1%23');
    const parameters = new URLSearchParams(asked.split('?')[1]);
    expect(parameters.getAll('id')).toEqual(['a&b=c']);
    expect(parameters.getAll('q')).toEqual(['x&admin=1#']);
    expect(parameters.has('admin')).toBe(false);
  });

  it('drops parameters and keeps the rest as it was written', async () => {
    expect(await target('/query/remove?a=1&debug=1&b=%20x&debug&c')).toBe('/query/remove?a=1&b=%20x&c');
    expect(await target('/query/remove?debug=1')).toBe('/query/remove');
    expect(await target('/query/remove?%64ebug=1&a+b=2&debugger=3')).toBe('/query/remove?debugger=3');
    expect(await target('/query/remove')).toBe('/query/remove');
  });

  it('goes together with a prefix', async () => {
    expect(await target('/both/x?token=secret&page=9&y=2')).toBe('/x?y=2&page=1');
    expect(await target('/both/x')).toBe('/x?page=1');
  });
});
