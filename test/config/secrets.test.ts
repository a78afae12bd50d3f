import { describe, expect, it } from 'vitest';
import { maskSecrets } from '../../src/config/secrets.ts';
import { configOf } from './mistakes.ts';

const config = configOf(`
admin: { token: hunter2 }
redis: rediss://gateway:hunter2@redis.internal:6380/0
listen: { tls: { cert: tls/one.crt, key: tls/one-encrypted.key, passphrase: secret } }
accessLog: { headers: [authorization] }
services: { a: { endpoints: ["http://a"] } }
defaults: { headers: { request: { set: { X-Api-Key: hunter2, x-plain: visible }, remove: [cookie] } } }
routes:
  - name: a
    match: { path: /a, headers: { authorization: Bearer hunter2, x-plain: visible, cookie: true }, query: { access_token: { pattern: ^hunter } } }
    service: a
    rewrite: { query: { set: { token: hunter2, page: "1" } } }
  - { name: b, match: { path: /b }, redirect: "https://user:hunter2@b/" }
`);

describe('the configuration for eyes', () => {
  const masked = maskSecrets(config);

  it('holds no secret', () => {
    expect(JSON.stringify(masked)).not.toMatch(/hunter/);
  });

  it('shows that there is one, and everything else', () => {
    expect(masked.admin?.token).toBe('***');
    expect(masked.redis).toBe('rediss://***@redis.internal:6380/0');
    expect(masked.listen.tls).toMatchObject({ passphrase: '***', key: config.listen.tls?.key });
    expect(masked.accessLog.headers).toEqual(['authorization']);
    expect(masked.defaults.headers?.request).toMatchObject({
      set: { 'X-Api-Key': '***', 'x-plain': 'visible' },
      remove: ['cookie'],
    });
    expect(masked.routes[0]?.match.headers).toEqual({
      authorization: { exact: '***' },
      'x-plain': { exact: 'visible' },
      cookie: { present: true },
    });
    expect(masked.routes[0]?.rewrite.query.set).toEqual({ token: '***', page: '1' });
    expect(masked.routes[1]?.redirect?.to).toBe('https://***@b/');
  });

  it.each(['Bearer abc', 'bearer  abc', 'Basic dXNlcjpwdw==', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln'])(
    'holds no credentials under an innocent name: %s',
    (value) => {
      const written = JSON.stringify(value);
      const { defaults, routes } = maskSecrets(
        configOf(`
defaults: { headers: { request: { set: { x-custom: ${written} } } } }
routes: [{ name: a, match: { path: /, query: { q: ${written} } }, respond: { headers: { x-custom: ${written} } } }]
`),
      );
      expect(defaults.headers?.request.set).toEqual({ 'x-custom': '***' });
      expect(routes[0]?.match.query).toEqual({ q: { exact: '***' } });
      expect(routes[0]?.respond?.headers).toEqual({ 'x-custom': '***' });
    },
  );

  it('shows values that only speak of credentials', () => {
    const { routes } = maskSecrets(
      configOf(
        'routes: [{ name: a, match: { path: / }, respond: { body: Basic auth, headers: { x-kind: Basic } } }]',
      ),
    );
    expect(routes[0]?.respond).toMatchObject({ body: 'Basic auth', headers: { 'x-kind': 'Basic' } });
  });

  it('leaves the real one alone', () => {
    expect(config.admin?.token).toBe('hunter2');
  });
});
