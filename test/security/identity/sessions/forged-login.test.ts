/**
 * Logins that somebody else began (CWE-352; RFC 9700 §2.1, §4.4, §4.5, §4.7): a callback brought into another browser logs the victim in as
 * the attacker; a code that leaks is used a second time, or in the place of another. State, nonce and PKCE verifier travel in a sealed
 * cookie that no other browser has.
 */
import { describe, expect, it } from 'vitest';
import { codeOf, useScene } from '../scene.ts';
import { Browser, LOGIN, SID, sessionConfig } from './browser.ts';

const scene = useScene(({ issuer }) => sessionConfig(issuer));
const browser = () => new Browser(scene);

async function loggedIn(user = 'alice'): Promise<Browser> {
  const one = browser();
  await one.login(user);
  return one;
}

/** Refused, and no session came of it. */
async function isRefused(one: Browser, callback: string): Promise<void> {
  const before = one.sid;
  const answer = await one.get(callback);
  expect(`${answer.status} ${codeOf(answer)}`).toBe('400 LOGIN_REFUSED');
  expect(answer.all('set-cookie').filter((line) => line.startsWith(`${SID}=`))).toEqual([]);
  expect(one.sid).toBe(before);
  expect(answer.header('location')).toBeUndefined();
  expect(scene.seen).toEqual([]);
}

describe('a callback', () => {
  it('in another browser than the one that began is refused (login CSRF)', async () => {
    const attacker = browser();
    scene.issuer.user = 'mallory';
    const callback = await attacker.begin();
    await isRefused(browser(), callback);
    const victim = browser();
    scene.issuer.user = 'alice';
    await victim.begin();
    await isRefused(victim, callback);
    const known = await loggedIn('alice');
    const asked = scene.issuer.hitsOf('/token');
    await isRefused(known, callback);
    expect(scene.issuer.hitsOf('/token'), 'the code was not even sent').toBe(asked);
  });

  it('with a login cookie that was bent, or is of another provider, is refused', async () => {
    const one = browser();
    const callback = await one.begin();
    const sealed = one.cookies.get(LOGIN) as string;
    const middle = Math.floor(sealed.length / 2);
    const bent = [
      sealed.slice(0, -1),
      `${sealed}AAAA`,
      sealed.slice(1),
      'x',
      'A'.repeat(sealed.length),
      `${sealed.slice(0, middle)}${sealed[middle] === 'A' ? 'B' : 'A'}${sealed.slice(middle + 1)}`,
      Buffer.from(
        JSON.stringify({
          provider: 'web',
          state: 'x',
          nonce: 'y',
          verifier: 'z',
          redirectUri: 'r',
          returnTo: '/',
          startedAt: Date.now(),
        }),
      ).toString('base64url'),
    ];
    for (const value of bent) {
      const thief = browser();
      thief.cookies.set(LOGIN, value);
      await isRefused(thief, callback);
    }
    const other = browser();
    const shop = await other.begin('/shop/login');
    await isRefused(other, shop.replace('/shop/', '/web/'));
    const mixed = browser();
    await mixed.begin('/shop/login');
    await isRefused(mixed, callback);
  });

  it('with two login cookies is refused', async () => {
    const one = browser();
    const callback = await one.begin();
    const sealed = one.cookies.get(LOGIN);
    const answer = await browser().get(callback, `Cookie: ${LOGIN}=${sealed}; ${LOGIN}=${sealed}`);
    expect(`${answer.status} ${codeOf(answer)}`).toBe('400 DUPLICATE_CREDENTIALS');
  });

  it.each([
    ['another state', (query: URLSearchParams) => query.set('state', 'x')],
    ['no state', (query: URLSearchParams) => query.delete('state')],
    ['an empty state', (query: URLSearchParams) => query.set('state', '')],
    ['two states', (query: URLSearchParams) => query.append('state', query.get('state') as string)],
    ['another code', (query: URLSearchParams) => query.set('code', 'x')],
    ['no code', (query: URLSearchParams) => query.delete('code')],
    ['two codes', (query: URLSearchParams) => query.append('code', 'x')],
    ['another issuer (mix-up)', (query: URLSearchParams) => query.set('iss', 'https://evil.example')],
    ['two issuers', (query: URLSearchParams) => query.append('iss', 'https://evil.example')],
    ['no issuer where the provider promises one', (query: URLSearchParams) => query.delete('iss')],
    ['an error', (query: URLSearchParams) => query.set('error', 'access_denied')],
    ['a token in the place of the code', (query: URLSearchParams) => query.set('response', 'x.y.z')],
    ['nothing', (query: URLSearchParams) => void [...query.keys()].map((name) => query.delete(name))],
  ])('with %s is refused', async (_what, bend) => {
    const one = browser();
    const [path, text] = (await one.begin()).split('?');
    const query = new URLSearchParams(text);
    bend(query);
    await isRefused(one, `${path}?${query}`);
  });

  it('with a code that was used is refused, with the same cookie and in another browser', async () => {
    const one = browser();
    const callback = await one.begin();
    const sealed = one.cookies.get(LOGIN) as string;
    expect((await one.get(callback)).status).toBe(302);
    expect(one.cookies.has(LOGIN)).toBe(false);
    await isRefused(one, callback);
    const thief = browser();
    thief.cookies.set(LOGIN, sealed);
    await isRefused(thief, callback);
    await isRefused(browser(), callback);
  });

  it('with the code of another login is refused: verifier and nonce are not its own', async () => {
    const [mine, theirs] = [browser(), browser()];
    const ours = new URLSearchParams((await mine.begin()).split('?')[1]);
    const other = new URLSearchParams((await theirs.begin()).split('?')[1]);
    ours.set('code', other.get('code') as string);
    await isRefused(mine, `/web/callback?${ours}`);
  });

  it('that the person refused is refused', async () => {
    scene.issuer.user = null;
    const one = browser();
    await isRefused(one, await one.begin());
    scene.issuer.user = 'alice';
  });

  it('by another method is refused', async () => {
    const one = browser();
    const callback = await one.begin();
    expect((await one.post(callback)).status).toBe(405);
    expect(one.sid).toBe('');
  });
});
