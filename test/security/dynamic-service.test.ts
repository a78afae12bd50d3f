/**
 * A service named by the path (`service: ${param.service}`): no spelling of a name reaches a service that the route does not
 * allow, and none reaches an allowed one but its own (CWE-918 by way of routing, CWE-178, CWE-180).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get, head } from '../harness/raw-client.ts';
import { type RunningService, startService } from '../harness/service.ts';

let gateway: RunningGateway;
const services: RunningService[] = [];

beforeAll(async () => {
  const named = (name: string) =>
    startService((request, response) =>
      response.end(`${name} ${request.url} ${request.headers['x-for'] ?? ''}`),
    );
  const [quotes, orders, secret] = await Promise.all(['quotes', 'orders', 'secret'].map(named));
  services.push(quotes!, orders!, secret!);
  gateway = await startGateway({
    auth: {
      providers: { ours: { type: 'jwt', algorithms: ['HS256'], secret: 'a'.repeat(64), issuer: 'ours' } },
    },
    services: {
      quotes: { endpoints: [quotes!.url], tags: ['public'] },
      orders: { endpoints: [orders!.url], timeouts: { firstByte: '5s' } },
      secret: { endpoints: [secret!.url] },
    },
    routes: [
      {
        name: 'any',
        match: { path: '/api/:service/*' },
        service: '${param.service}',
        allow: ['tag:public', 'orders'],
        rewrite: { prefix: '/' },
        headers: { request: { set: { 'x-for': '${service.name}' } } },
      },
      {
        name: 'slashes',
        match: { path: '/raw/:service/*', encodedSlashes: true },
        service: '${param.service}',
        allow: ['quotes'],
      },
      { name: 'guarded', match: { path: '/api/admin/*' }, service: 'secret', auth: { anyOf: ['ours'] } },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  for (const service of services) await service.close();
});

async function ask(target: string, method = 'GET') {
  const answer = await exchangeRaw(gateway.url, method === 'GET' ? get(target) : head(method, target));
  return { status: answer.status, body: answer.body.toString() };
}

describe('a path that names its service', () => {
  it('reaches each of the allowed ones, with the rewrite of the route and the name in templates', async () => {
    expect(await ask('/api/quotes/a?b=1')).toEqual({ status: 200, body: 'quotes /a?b=1 quotes' });
    expect(await ask('/api/orders/')).toEqual({ status: 200, body: 'orders / orders' });
  });

  it('may escape letters, which say the same', async () => {
    expect((await ask('/api/%71uotes/a')).body).toBe('quotes /a quotes');
  });

  it.each([
    ['a service that exists', '/api/secret/'],
    ['one that does not', '/api/nothing/'],
    ['a prefix of a name', '/api/quote/'],
    ['a longer name', '/api/quotess/'],
    ['capitals', '/api/Quotes/'],
    ['a letter that lower-cases to ASCII', '/api/or%C4%B1ers/'],
    ['a final dot', '/api/quotes./'],
    ['a parameter of the segment', '/api/quotes;x=1/'],
    ['an encoded semicolon', '/api/quotes%3Bx/'],
    ['a space', '/api/quotes%20/'],
    ['a property of objects', '/api/__proto__/'],
    ['another one', '/api/constructor/'],
    ['the tag', '/api/tag:public/'],
    ['the tag, encoded', '/api/tag%3Apublic/'],
    ['the template itself', '/api/$%7Bparam.service%7D/'],
    ['an encoded slash', '/raw/quotes%2F/x'],
    ['an encoded slash before another name', '/raw/secret%2Fquotes/x'],
  ])('is answered 404 for %s', async (_, target) => {
    const { status, body } = await ask(target);
    expect({ status, code: JSON.parse(body).code }).toEqual({ status: 404, code: 'NOT_FOUND' });
  });

  it.each([
    '/api/../secret/',
    '/api/%2e%2e/',
    '/api/quotes%2F..%2Fsecret/',
    '/api/quotes%00/',
    '/api/%2571uotes/',
  ])('is refused before anything is looked up: %s', async (target) => {
    expect((await ask(target)).status).toBe(400);
  });

  it('does not walk past a guarded route that a lenient service would read', async () => {
    expect((await ask('/api/ADMIN/x')).status).toBe(400);
    expect((await ask('/api/admin;x/x')).status).toBe(400);
    expect((await ask('/api/admin/x')).status).toBe(401);
  });

  it('counts under the name of the route, whichever service answered', async () => {
    const { body } = await gateway.ask('/stats');
    expect(body.routes.any.count).toBeGreaterThan(15);
    expect(body.routes.any.failures.NOT_FOUND).toBeGreaterThan(10);
  });

  it('has reached nothing else', () => {
    expect(services[2]!.requests).toEqual([]);
  });
});
