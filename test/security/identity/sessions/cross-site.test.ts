/**
 * Pages of other sites that act as the person before them (CWE-352): a form that posts to the logout, or to the refresh, which changes the
 * session's cookie. `SameSite=Lax` keeps the cookie at home where browsers know it; `Origin` and `Sec-Fetch-Site` keep out the rest,
 * sibling domains among them.
 */
import { describe, expect, it } from 'vitest';
import { codeOf, useScene } from '../scene.ts';
import { Browser, sessionConfig } from './browser.ts';

const scene = useScene(({ issuer }) => sessionConfig(issuer));

async function loggedIn(): Promise<Browser> {
  const one = new Browser(scene);
  await one.login();
  return one;
}

describe.each(['/web/logout', '/web/refresh'])('POST %s', (path) => {
  it.each([
    'https://evil.example',
    'http://shop.example.com.evil.example',
    'http://evil.shop.example.com',
    'https://shop.example.com',
    'http://shop.example.com:8080',
    'http://SHOP.example.com.',
    'null',
    '',
    'http://shop.example.com/',
    'http://shop.example.com@evil.example',
    'shop.example.com',
    'file://',
  ])('from a page of %j is refused, and the session goes on', async (origin) => {
    const one = await loggedIn();
    const { sid } = one;
    const answer = await one.post(path, `Origin: ${origin}`);
    expect(`${answer.status} ${codeOf(answer)}`).toBe('403 FORBIDDEN');
    expect(answer.all('set-cookie')).toEqual([]);
    expect(one.sid).toBe(sid);
    expect((await one.get('/page')).status).toBe(200);
  });

  it.each(['cross-site', 'same-site', 'CROSS-SITE', 'x', ''])(
    'that the browser calls %j is refused',
    async (site) => {
      const one = await loggedIn();
      const answer = await one.post(path, `Sec-Fetch-Site: ${site}`, 'Origin: http://shop.example.com');
      expect(answer.status).toBe(403);
      expect((await one.get('/page')).status).toBe(200);
    },
  );

  it('by GET, HEAD or a form in the query does nothing', async () => {
    const one = await loggedIn();
    for (const target of [path, `${path}?_method=POST`, `${path}?confirm=1`])
      expect((await one.get(target)).status).toBe(405);
    expect((await one.get(path, 'X-HTTP-Method-Override: POST', 'X-HTTP-Method: POST')).status).toBe(405);
    expect((await one.get('/page')).status).toBe(200);
  });

  it('from our own page is done', async () => {
    const one = await loggedIn();
    expect(
      (await one.post(path, 'Origin: http://shop.example.com', 'Sec-Fetch-Site: same-origin')).status,
    ).toBe(200);
  });
});
