/**
 * Past the guard by what is beside the path: another form of the request line (CVE-2022-31813, CVE-2020-11984), another name of the
 * same host, fields that some frameworks let choose path and method, and methods in other letters. Methods are tokens that
 * differ by case (RFC 9110 §9.1), but many frameworks put them into capitals before they look.
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get, head } from '../../harness/raw-client.ts';
import { raw, useTarget } from '../target.ts';
import { hs, nowS, SECRET } from './tokens/forge.ts';

const target = useTarget((service) => ({
  auth: { providers: { internal: { type: 'jwt', algorithms: ['HS256'], secret: SECRET } } },
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'admin', match: { path: '/admin/*' }, service: 'service', auth: 'internal' },
    { name: 'host', match: { path: '/*', host: 'intern.example.com' }, service: 'service', auth: 'internal' },
    {
      name: 'careful',
      match: { path: '/careful/*' },
      service: 'service',
      auth: {
        anyOf: ['internal'],
        methods: { DELETE: { roles: ['chief'] }, PURGE: { roles: ['chief'] }, GET: { scopes: ['read'] } },
      },
    },
    {
      name: 'writes',
      match: { path: '/shop/*', methods: ['POST', 'DELETE'] },
      service: 'service',
      auth: 'internal',
    },
    { name: 'open', match: { path: '/*' }, service: 'service' },
  ],
}));

const token = (claims: object = {}) =>
  `Authorization: Bearer ${hs({ sub: 'alice', exp: nowS() + 300, ...claims })}`;

/** Refused in whatever way, and the service saw nothing. */
async function isKeptOut(bytes: string): Promise<void> {
  const answer = await exchangeRaw(target.gateway.url, bytes);
  expect([400, 401, 403, 404, 405, 505], bytes.split('\r\n', 1)[0]).toContain(answer.status);
  await target.stands();
}

describe('the request line', () => {
  it.each([
    ['absolute form', raw('GET http://shop.example.com/admin/x HTTP/1.1', 'Host: shop.example.com')],
    [
      'absolute form of another host',
      raw('GET http://other.example.com/admin/x HTTP/1.1', 'Host: shop.example.com'),
    ],
    ['no slash', raw('GET admin/x HTTP/1.1', 'Host: shop.example.com')],
    ['a fragment', get('/admin/x#/public')],
    ['a fragment before it', get('/public#/../admin/x')],
    ['a question mark in it', get('/admin/x?/../../public')],
    ['an encoded question mark', get('/admin/x%3f/../public')],
    ['white space', raw('GET  /admin/x HTTP/1.1', 'Host: shop.example.com')],
    ['a tab', raw('GET\t/admin/x HTTP/1.1', 'Host: shop.example.com')],
    ['HTTP/1.0', raw('GET /admin/x HTTP/1.0', 'Host: shop.example.com')],
  ])('%s', async (_what, bytes) => {
    const answer = await exchangeRaw(target.gateway.url, bytes);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    await target.stands();
  });

  it.each([
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Forwarded-Path',
    'X-Forwarded-Prefix',
    'X-HTTP-Path-Override',
  ])('%s does not choose the route', async (name) => {
    await isKeptOut(get('/admin/x', `${name}: /public`));
  });
});

describe('a guarded host', () => {
  it.each([
    'intern.example.com',
    'INTERN.example.com',
    'intern.example.com.',
    'Intern.Example.Com.:80',
    'intern.example.com:80',
    'intern.example.com:443',
    'intern.example.com:',
    'intern.example.com:0',
    ' intern.example.com ',
  ])('%j is the same host', async (host) => {
    await isKeptOut(raw('GET /public HTTP/1.1', `Host: ${host}`));
  });

  it.each([
    'intern.example.com, shop.example.com',
    'intern.example.com shop',
    'shop.example.com@intern.example.com',
    'intern.example.com..',
    '.intern.example.com',
    'intern%2eexample.com',
    'intern.example.com/',
    'intern.example.com\\',
    'intern.example.com#',
    'intern.example.com:80:80',
    'intern.example.com:x',
    'intern_.example.com.:',
  ])('%j is none that gets to the service as it', async (host) => {
    const answer = await exchangeRaw(target.gateway.url, raw('GET /public HTTP/1.1', `Host: ${host}`));
    if (answer.status === 200) expect(target.seen[0].header('host')).not.toContain('intern.example.com');
    else expect([400, 401]).toContain(answer.status);
  });

  it('is not chosen away by other names for it', async () => {
    for (const field of [
      'X-Forwarded-Host: shop.example.com',
      'X-Host: shop.example.com',
      'Forwarded: host=shop.example.com',
    ]) {
      await isKeptOut(raw('GET /public HTTP/1.1', 'Host: intern.example.com', field));
    }
    await isKeptOut(raw('GET /public HTTP/1.1', 'Host: shop.example.com', 'Host: intern.example.com'));
    await isKeptOut(raw('GET http://intern.example.com/public HTTP/1.1', 'Host: shop.example.com'));
  });
});

describe('a method in other letters, which many services put into capitals', () => {
  it.each(['delete', 'Delete', 'DELETe'])(
    '%s does not escape what is demanded for DELETE',
    async (method) => {
      await isKeptOut(head('DELETE', '/careful/x', token()));
      await isKeptOut(head(method, '/careful/x', token()));
    },
  );

  it.each(['PURGE', 'purge', 'Purge'])('%s does not escape what is demanded for PURGE', async (method) => {
    await isKeptOut(head(method, '/careful/x', token()));
  });

  it.each(['get', 'Get', 'HEAD', 'head'])('%s does not escape what is demanded for GET', async (method) => {
    await isKeptOut(head('GET', '/careful/x', token()));
    await isKeptOut(head(method, '/careful/x', token()));
  });

  it.each(['delete', 'Delete', 'post', 'Post'])(
    '%s does not escape the route for DELETE and POST',
    async (method) => {
      await isKeptOut(head(method, '/shop/x'));
    },
  );
});

describe('what is meant', () => {
  it('passes', async () => {
    await target.passes(head('GET', '/careful/x', token({ scope: 'read' })));
    await target.passes(head('DELETE', '/careful/x', token({ roles: ['chief'] })));
    await target.passes(head('PUT', '/careful/x', token()));
    await target.passes(head('DELETE', '/shop/x', token()));
    await target.passes(head('GET', '/shop/x'));
    await target.passes(raw('GET /a HTTP/1.1', 'Host: intern.example.com', token()));
  });
});
