/**
 * Open redirects (CWE-601; RFC 9700 §4.11): a login page that ends where its address says leads people from a name they trust to a copy of
 * it. And the way to the identity provider: nothing of a request chooses where it sends the code. Ours ends at a path of the same
 * origin, in a form that no browser takes for another host.
 */
import { describe, expect, it } from 'vitest';
import { useScene } from '../scene.ts';
import { Browser, sessionConfig } from './browser.ts';

const scene = useScene(({ issuer }) => sessionConfig(issuer));
const browser = () => new Browser(scene);

describe('where a login ends', () => {
  const AWAY = [
    'https://evil.example/',
    'http:evil.example',
    '//evil.example/',
    '///evil.example',
    '////evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '\\/evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r/evil.example',
    '\t//evil.example',
    ' //evil.example',
    '/ /evil.example',
    '/%09/evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    'evil.example',
    '.evil.example',
    '@evil.example',
    ':80',
    '?x',
    '#x',
    '',
    '\u0000/',
    '/\u0000/evil.example',
    '/\u00a0/evil.example',
    '/\r\nLocation: https://evil.example',
    '/x\r\nSet-Cookie: __Host-sid=x',
    '/é',
    '/\u2028',
    'https:/evil.example',
    'https:\\\\evil.example',
    '/\\/evil.example',
    '\u3000//evil.example',
  ];

  it.each(AWAY)('%j leads nowhere but to a page of ours', async (wished) => {
    for (const written of [encodeURIComponent(wished), encodeURIComponent(encodeURIComponent(wished))]) {
      const one = browser();
      const answer = await one.get(await one.begin(`/web/login?return_to=${written}`));
      expect(answer.status).toBe(302);
      const location = answer.header('location') as string;
      const landed = new URL(location, 'https://shop.example.com/web/callback');
      expect(landed.origin, location).toBe('https://shop.example.com');
      expect(location).toMatch(/^\/(?![/\\])/);
      expect(answer.all('location')).toHaveLength(1);
    }
  });

  it('is the first that is said, and said in one way', async () => {
    for (const query of [
      'return_to=/a&return_to=//evil.example',
      'return_to=//evil.example&return_to=/a',
      'return_to[]=//evil.example',
      'RETURN_TO=//evil.example',
      '%72eturn_to=%2F%2Fevil.example',
    ]) {
      const one = browser();
      const answer = await one.get(await one.begin(`/web/login?${query}`));
      expect(new URL(answer.header('location') as string, 'https://shop.example.com').origin).toBe(
        'https://shop.example.com',
      );
    }
  });

  it('is a page of ours, too, when a page began it', async () => {
    for (const path of ['/page?next=//evil.example', '/page?\\evil', '/page?a=%0d%0aLocation:x']) {
      const one = browser();
      const away = await one.get(path, 'Accept: text/html');
      expect(away.status, path).toBe(302);
      const back = await scene.issuer.visit(away.header('location') as string);
      const answer = await one.get(back.pathname + back.search);
      expect(new URL(answer.header('location') as string, 'https://shop.example.com').origin).toBe(
        'https://shop.example.com',
      );
    }
  });

  it('cannot be chosen at the callback', async () => {
    const one = browser();
    const callback = await one.begin('/web/login?return_to=/wanted');
    const answer = await one.get(
      `${callback}&return_to=https://evil.example&returnTo=//evil.example`,
      'Referer: https://evil.example/',
    );
    expect(answer.header('location')).toBe('/wanted');
  });
});

describe('what leads away', () => {
  it('holds PKCE, state and nonce, new each time, and no secret', async () => {
    const places = await Promise.all(
      [1, 2, 3].map(async () => new URL((await browser().get('/web/login')).header('location') as string)),
    );
    for (const name of ['state', 'nonce', 'code_challenge']) {
      const values = places.map((place) => place.searchParams.get(name) as string);
      expect(new Set(values).size).toBe(3);
      for (const value of values) expect(value.length).toBeGreaterThanOrEqual(43);
    }
    expect(places[0].searchParams.get('code_challenge_method')).toBe('S256');
    expect(places[0].searchParams.get('response_type')).toBe('code');
    expect(places[0].href).not.toContain('secret');
  });

  it('puts nothing of the request into the address but its own host', async () => {
    const place = new URL(
      (
        await browser().get(
          '/web/login?client_id=evil&redirect_uri=https://evil.example&scope=admin&prompt=none&state=fixed&nonce=fixed',
        )
      ).header('location') as string,
    );
    const { searchParams } = place;
    expect(searchParams.getAll('client_id')).toEqual(['sluice']);
    expect(searchParams.getAll('redirect_uri')).toEqual(['http://shop.example.com/web/callback']);
    expect(searchParams.get('scope')).toBe('openid');
    expect(searchParams.get('state')).not.toBe('fixed');
    expect(searchParams.has('prompt')).toBe(false);
  });

  it('does not follow X-Forwarded-Host of somebody untrusted', async () => {
    const answer = await browser().get(
      '/web/login',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: gopher',
      'Forwarded: host=evil.example',
      'X-Host: evil.example',
    );
    expect(new URL(answer.header('location') as string).searchParams.get('redirect_uri')).toBe(
      'http://shop.example.com/web/callback',
    );
  });
});
