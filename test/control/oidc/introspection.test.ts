import { expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { openSite, type Site } from './site.ts';

const PATH = '/token/introspection';
const ask = (site: Site, token: string) => site.oidc.introspect({ provider: 'tokens', token });

test('tells what the server says of an active token', async () => {
  const site = await openSite();
  const token = await site.issuer.accessToken({
    user: 'bob',
    scope: 'openid orders',
    claims: { roles: ['trader'] },
  });
  expect(await ask(site, token)).toEqual({
    state: 'active',
    claims: expect.objectContaining({
      active: true,
      sub: 'bob',
      scope: 'openid orders',
      roles: ['trader'],
      client_id: 'sluice',
      iss: site.issuer.url,
      exp: expect.any(Number),
    }),
  });
});

test('tells that a token is not active, and nothing more', async () => {
  const site = await openSite();
  expect(await ask(site, 'unknown')).toEqual({ state: 'inactive' });
  site.issuer.faults.set(PATH, { body: '{"active":false,"sub":"bob"}' });
  expect(await ask(site, 'known')).toEqual({ state: 'inactive' });
});

test('asks once for all who want to know of one token, and again afterwards', async () => {
  const site = await openSite();
  const token = await site.issuer.accessToken();
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(site, token)));
  expect(new Set(answers.map(({ state }) => state))).toEqual(new Set(['active']));
  expect(site.issuer.hitsOf(PATH)).toBe(1);
  await Promise.all([ask(site, token), ask(site, 'another')]);
  expect(site.issuer.hitsOf(PATH)).toBe(3);
});

test('takes no more questions than a slow server can stand', async () => {
  const site = await openSite();
  site.issuer.faults.set(PATH, { delayMs: 100, body: '{"active":false}' });
  const answers = await Promise.all(Array.from({ length: 1010 }, (_, i) => ask(site, `token-${i}`)));
  const refused = answers.filter(
    (answer) => answer.state === 'unavailable' && answer.why.startsWith('too many'),
  );
  expect(refused).toHaveLength(10);
  site.issuer.faults.clear();
  // On a busy machine it first works through what nobody waits for any more.
  await eventually(async () => (await ask(site, 'later')).state === 'inactive');
});

test.each([
  ['is gone', { cut: true }, 'no connection'],
  ['hangs', { hang: true }, 'no answer in time'],
  ['is out of order', { status: 503 }, 'status'],
  ['sends no JSON', { body: '<html>' }, 'JSON'],
  ['does not say whether', { body: '{"sub":"bob"}' }, 'active'],
  ['says yes with a text', { body: '{"active":"true"}' }, 'active'],
  ['redirects', { status: 302, headers: { location: 'http://127.0.0.1:1' } }, 'status'],
  ['sends more than 1 MiB', { body: `{"active":true,"x":"${'x'.repeat(1_048_576)}"}` }, '1 MiB'],
  [
    'does not know the client',
    { status: 401, body: '{"error":"invalid_client"}' },
    'credentials of the client',
  ],
  [
    'asks for credentials',
    { status: 401, body: '{}', headers: { 'www-authenticate': 'Basic realm="x"' } },
    'credentials of the client',
  ],
])('says so once when the server %s, and heals', async (_, fault, why) => {
  const site = await openSite();
  site.issuer.faults.set(PATH, fault);
  for (const token of ['a', 'b']) {
    expect(await ask(site, token)).toEqual({ state: 'unavailable', why: expect.stringContaining(why) });
  }
  site.issuer.faults.clear();
  expect(await ask(site, 'c')).toEqual({ state: 'inactive' });
  expect(site.log.map(({ level }) => level)).toEqual(['warn', 'info']);
});

test('never tells a token or a secret to the log', async () => {
  const site = await openSite();
  for (const fault of [
    { cut: true },
    { status: 500 },
    { status: 400, body: '{"error":"the-token\\nforged line"}' },
  ]) {
    site.issuer.faults.set(PATH, fault);
    const answer = await ask(site, 'the-token');
    expect(JSON.stringify([answer, site.log])).not.toMatch(/the-token|forged|a-secret/);
    site.issuer.faults.clear();
    await ask(site, 'other');
  }
});

test('keeps working over a reload that changes nothing, and rejects for what is gone', async () => {
  const site = await openSite();
  const asked = ask(site, 'token');
  site.oidc.follow(structuredClone(site.config));
  expect(await asked).toEqual({ state: 'inactive' });
  site.oidc.follow({ ...site.config, providers: {} });
  await expect(ask(site, 'token')).rejects.toThrow('there is no introspection provider "tokens"');
});
