import { describe, expect, it } from 'vitest';
import { maskSecrets } from '../../src/config/secrets.ts';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const ROUTE = 'routes: [{ name: a, match: { path: /a }, limit: one, respond: { body: hi } }]';
const REDIS = 'redis: redis://localhost';

describe('the mode of a limit', () => {
  it.each(['synced', 'strict'])('%s needs Redis', (mode) => {
    const text = `limits: { one: { by: [ip], rate: 5/s, mode: ${mode} } }\n${ROUTE}`;
    expect(mistakesIn(text)).toEqual([
      expect.stringMatching(
        new RegExp(`^1:\\d+ +limits\\.one\\.mode +${mode} limits are shared .* none.*mode: local`),
      ),
    ]);
    expect(mistakesIn(`${REDIS}\n${text}`)).toEqual([]);
  });

  it('of a limit that a route has for itself needs Redis, too', () => {
    const text = `routes:\n  - { name: a, match: { path: /a }, respond: { body: hi }, limit: [{ by: [ip], rate: 5/s, mode: strict }] }\ndefaults: { limit: { by: [ip], rate: 5/s, mode: synced } }`;
    expect(mistakesIn(text)).toEqual([
      expect.stringMatching(/^2:\d+ +routes\[0\]\.limit\[0\]\.mode +strict/),
      expect.stringMatching(/^3:\d+ +defaults\.limit\.mode +synced/),
    ]);
  });

  it('of a limit that a plan has for itself needs Redis, too, and is not for all', () => {
    const plan = (limit: string) =>
      `plans: { free: { limits: [{ by: [ip], ${limit}, mode: strict }] } }\ndefaultPlan: free\nroutes: [{ name: a, match: { path: /a }, auth: anonymous, limit: plan, respond: { body: hi } }]`;
    expect(mistakesIn(plan('rate: 5/s'))).toEqual([
      expect.stringMatching(/^1:\d+ +plans\.free\.limits\[0\]\.mode +strict limits are shared/),
    ]);
    expect(mistakesIn(`${REDIS}\n${plan('rate: 5/s')}`)).toEqual([]);
    for (const wrong of ['rate: 5/s, over: queue', 'algorithm: concurrency, max: 5']) {
      expect(mistakesIn(`${REDIS}\n${plan(wrong)}`)).toEqual([
        expect.stringMatching(/^2:\d+ +plans\.free\.limits\[0\]\.mode /),
      ]);
    }
  });

  it('cannot be strict for requests in flight', () => {
    const text = `${REDIS}\nlimits: { one: { by: [ip], algorithm: concurrency, max: 5, mode: strict } }\n${ROUTE}`;
    expect(mistakesIn(text)).toEqual([expect.stringMatching(/^2:\d+ +limits\.one\.mode .*flight.*synced/)]);
  });

  it('has a name that may be mistaken', () => {
    const text = `${REDIS}\nlimits: { one: { by: [ip], rate: 5/s, mode: sync } }\n${ROUTE}`;
    expect(mistakesIn(text)).toEqual([expect.stringMatching(/^2:\d+ +limits\.one\.mode .*synced/)]);
  });

  it('gives Redis something to do, unless all limits are local', () => {
    const unused = (text: string) => warningsIn(text).filter((warning) => warning.includes('uses Redis'));
    expect(unused(`${REDIS}\nlimits: { one: { by: [ip], rate: 5/s } }\n${ROUTE}`)).toEqual([]);
    expect(unused(`${REDIS}\nlimits: { one: { by: [ip], rate: 5/s, mode: local } }\n${ROUTE}`)).toHaveLength(
      1,
    );
  });
});

describe('where Redis is', () => {
  it('may be said by a URL, by Sentinels or by nodes of a Cluster', () => {
    expect(configOf(`${REDIS}\n`).redis).toBe('redis://localhost');
    expect(
      configOf('redis: { sentinels: ["s1:26379", s2, "[::1]:7"], name: main, password: hush }').redis,
    ).toEqual({
      sentinels: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_379 },
        { host: '::1', port: 7 },
      ],
      name: 'main',
      db: 0,
      tls: false,
      password: 'hush',
    });
    expect(configOf('redis: { cluster: ["r1:7000", r2], tls: true }').redis).toEqual({
      cluster: [
        { host: 'r1', port: 7000 },
        { host: 'r2', port: 6379 },
      ],
      tls: true,
    });
  });

  it.each([
    'redis: http://localhost',
    'redis: { sentinels: [s1] }',
    'redis: { sentinels: [], name: main }',
    'redis: { cluster: ["r1:99999"] }',
    'redis: { cluster: ["r 1"] }',
    'redis: { cluster: [r1], name: main }',
  ])('is not said by %s', (text) => {
    expect(mistakesIn(text)).toEqual([expect.stringMatching(/^1:\d+ +redis/)]);
  });

  it('is shown without passwords', () => {
    const config = configOf(
      'redis: { sentinels: [s1], name: main, password: hunter2, sentinelPassword: hunter3 }',
    );
    expect(JSON.stringify(maskSecrets(config))).not.toContain('hunter');
  });
});
