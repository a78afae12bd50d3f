/**
 * Past the guard by another spelling (CVE-2021-41773, CVE-2022-32532, CVE-2023-22602, CVE-2016-9177): beside a route that asks who is
 * calling stands one for everything, before the same service. A path that the gateway gives to the open route, and that
 * a service behind it reads as the guarded one, lets everybody in. What nobody reads differently still passes.
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get } from '../../harness/raw-client.ts';
import { useTarget } from '../target.ts';
import { hs, nowS, SECRET } from './tokens/forge.ts';

const PROVIDERS = { internal: { type: 'jwt', algorithms: ['HS256'], secret: SECRET } };

const target = useTarget((service) => ({
  auth: { providers: PROVIDERS },
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'admin', match: { path: '/admin/*' }, service: 'service', auth: 'internal' },
    { name: 'order', match: { path: '/api/v1/orders/:id' }, service: 'service', auth: 'internal' },
    { name: 'me', match: { path: '/users/@me' }, service: 'service', auth: 'internal' },
    { name: 'verb', match: { path: '/v1/models:predict' }, service: 'service', auth: 'internal' },
    { name: 'report', match: { path: '/report.json' }, service: 'service', auth: 'internal' },
    {
      name: 'chief',
      match: { path: '/teams/chief/*' },
      service: 'service',
      auth: { anyOf: ['internal'], roles: ['chief'] },
    },
    { name: 'team', match: { path: '/teams/:team/x' }, service: 'service', auth: 'internal' },
    { name: 'files', match: { path: '/files/*', encodedSlashes: true }, service: 'service' },
    { name: 'open', match: { path: '/*' }, service: 'service' },
  ],
}));

const token = (claims: object = {}) =>
  `Authorization: Bearer ${hs({ sub: 'alice', exp: nowS() + 300, ...claims })}`;

/** A list, letter by letter. */
function words(list: TemplateStringsArray): string[] {
  return list.raw[0].split(/\s+/).filter((word) => word !== '');
}

/** Refused in whatever way, and the service saw nothing. */
async function isKeptOut(bytes: string): Promise<void> {
  const answer = await exchangeRaw(target.gateway.url, bytes);
  expect([400, 401, 403, 404, 405], `${answer.status} for ${bytes.split('\r\n', 1)[0]}`).toContain(
    answer.status,
  );
  await target.stands();
}

describe('the guard', () => {
  it('lets nobody in without a token, and those with one', async () => {
    for (const path of ['/admin/x', '/api/v1/orders/7', '/users/@me', '/v1/models:predict', '/report.json']) {
      await target.refusesAndStays(get(path), 401, 'UNAUTHENTICATED');
      expect((await target.passes(get(path, token()))).target).toBe(path);
      target.service.seen.length = 0;
    }
  });

  it('is not in the way of what is open', async () => {
    for (const path of [
      '/',
      '/public',
      '/adminx/y',
      '/admins',
      '/users/me',
      '/v1/models',
      '/report.json.txt',
      '/Public/A;v=1',
    ])
      expect((await target.passes(get(path))).target).toBe(path);
  });
});

describe('repeated slashes and dot segments', () => {
  it.each(
    words`//admin/x ///admin/x /admin//x //admin//x /admin/// /./admin/x
      /admin/./x /.//admin/x /public/../admin/x /public/..//admin/x /a/b/../../admin/x /../admin/x
      /admin/../admin/x /%2e/admin/x /%2e%2e/admin/x /public/%2e%2e/admin/x /public/.%2e/admin/x /public/%2E./admin/x
      /public/..;/admin/x /public/..;a=b/admin/x /public/%2e%2e;/admin/x /public/..%3b/admin/x /public/..%3Ba/admin/x /public/%252e%252e/admin/x
      /public/%25%32%65%25%32%65/admin/x /public/..%2fadmin/x /public/..%5cadmin/x /public/..\admin/x /\admin/x
      /public%2f..%2fadmin%2fx /%2fadmin/x /admin%2fx /admin%2Fx /admin%5cx /public/%c0%ae%c0%ae/admin/x
      /public/%e0%80%ae%e0%80%ae/admin/x /%u0061dmin/x /public/%uff0e%uff0e/admin/x /api//v1/orders/7 /api/v1/./orders/7 /api/v1//orders//7
      /x/../api/v1/orders/7 /api/v1/orders/%2e/7`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('letters', () => {
  it.each(
    words`/ADMIN/x /Admin/x /aDmin/X /admiN/ /%41DMIN/x /%41dmin/x
      /%61dmin/x /%61%64%6d%69%6e/x /adm%69n/x /API/v1/orders/7 /api/V1/orders/7 /api/v1/Orders/7
      /api/v1/ORDERS/7 /%61pi/v1/orders/7 /Users/@me /users/@ME /V1/models:predict /v1/models:PREDICT
      /Report.json /report.JSON /report%2ejson /report%2Ejson`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('parameters of segments', () => {
  it.each(
    words`/admin;/x /admin;x/y /admin;a=b/x /admin;a=b;c=d/x /;/admin/x /;a=b/admin/x
      /admin/x;y /admin/;x /ADMIN;x/y /api;x/v1/orders/7 /api/v1;x/orders/7 /api/v1/orders;x/7
      /api/v1/orders/7;x /users/@me;x /users;x/@me /v1/models:predict;x /report.json;x /report.json;.css
      /admin;%2f/x /admin;/../x`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('an encoded semicolon, which some services decode before they strip', () => {
  it.each(
    words`/admin%3b/x /admin%3Bx/y /admin%3ba=b/x /%3b/admin/x /api%3bx/v1/orders/7 /api/v1/orders%3bx/7
      /users/@me%3bx /report.json%3b.css /ADMIN%3bx/y`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('an escape of a letter that needs none, in the name of a guarded path', () => {
  // Every service decodes it: `%40` and `@` are the same to all of them (RFC 3986 §2.2 leaves it to the scheme).
  it.each(
    words`/users/%40me /users/%40ME /v1/models%3apredict /v1/models%3Apredict /v1/%6dodels%3Apredict //users//%40me`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('dots and white space at the end of a name, which Windows drops', () => {
  it.each(
    words`/admin./x /admin../x /admin.../x /admin%2e/x /admin%20/x /admin%20%20/x
      /admin%09/x /admin%00/x /admin.%20/x /api/v1/orders./7 /api/v1/orders%20/7 /report.json.
      /report.json%20 /report.json%2e /users/@me.`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('an open route that takes encoded slashes', () => {
  it.each(
    words`/files%2f..%2fadmin%2fx /files/..%2fadmin/x /files/..%2f..%2fadmin%2fx /files/%2e%2e%2fadmin /files/a%2f..%2f..%2fadmin /files/..%5cadmin`,
  )('%s', (path) => isKeptOut(get(path)));
});

describe('between two guarded routes', () => {
  it.each(words`/teams/chief;x/x /teams/chief;/x /teams/chief%3bx/x /teams/chief./x /teams/chief%20/x`)(
    '%s does not lead to the one that demands less',
    async (path) => {
      await target.refusesAndStays(get('/teams/chief/x', token()), 403, 'INSUFFICIENT_SCOPE');
      await isKeptOut(get(path, token()));
    },
  );

  it('both take what is theirs', async () => {
    expect((await target.passes(get('/teams/chief/x', token({ roles: ['chief'] })))).target).toBe(
      '/teams/chief/x',
    );
    expect((await target.passes(get('/teams/staff/x', token()))).target).toBe('/teams/staff/x');
  });
});

describe('an open route for everything that takes encoded slashes', () => {
  const wide = useTarget((service) => ({
    auth: { providers: PROVIDERS },
    services: { service: { endpoints: [service] } },
    routes: [
      { name: 'admin', match: { path: '/admin/*' }, service: 'service', auth: 'internal' },
      { name: 'open', match: { path: '/*', encodedSlashes: true }, service: 'service' },
    ],
  }));

  it.each(
    words`/admin%2fx /admin%2Fx%2Fy /%2fadmin/x /%2f%2fadmin%2fx /admin%2f/x /%2fADMIN%2fx /admin;a%2fx /admin%3b%2fx`,
  )('%s does not reach what a service that decodes it would take for the guarded path', async (path) => {
    const answer = await exchangeRaw(wide.gateway.url, get(path));
    expect([400, 401]).toContain(answer.status);
    await wide.stands();
  });

  it('still takes those of others', async () => {
    expect((await wide.passes(get('/files/a%2fb'))).target).toBe('/files/a%2Fb');
  });
});
