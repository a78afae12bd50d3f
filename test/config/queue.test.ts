/** What may wait for a limit, as a configuration can get it wrong. */
import { describe, expect, it } from 'vitest';
import { overContradictions } from '../../src/config/schema/limits/queue.ts';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const AUTH =
  'auth: { providers: { p: { type: jwt, algorithms: [HS256], secret: 0123456789abcdef0123456789abcdef } } }';
const file = (limit: string, route = '', auth = '{}') =>
  `auth: ${auth}\nlimits:\n  one: ${limit}\nroutes:\n  - { name: r, match: { path: "/r/:id" }, respond: {}, limit: one${route} }\n`;
const mistakes = (limit: string) => mistakesIn(file(limit));
const queued = (queue: string, more = 'by: [global], rate: 5/s') =>
  mistakes(`{ ${more}, over: { queue: { ${queue} } } }`);

describe('a queue', () => {
  it('is spelt out', () => {
    const { limits } = configOf(file('{ by: [ip], rate: 5/s, over: queue }'));
    expect(limits.one!.over).toEqual({ queue: { max: 100, deadline: 1_000 } });
    const all = 'max: 9, perKey: 3, deadline: 2s, fairBy: ["header:X-Team"], weights: { default: 2 }';
    const own = configOf(
      `${AUTH}\n${file(`{ by: [ip], rate: 5/s, over: { queue: { ${all} } } }`, ', auth: p').replace('auth: {}\n', '')}`,
    );
    expect(own.limits.one!.over).toEqual({
      queue: { max: 9, perKey: 3, deadline: 2_000, fairBy: ['header:x-team'], weights: { default: 2 } },
    });
    expect(configOf(file('{ by: [ip], rate: 5/s }')).limits.one!.over).toBe('reject');
  });

  it('is fine without warnings', () => {
    expect(warningsIn(file('{ by: [global], rate: 5/s, over: { queue: { fairBy: [ip] } } }'))).toEqual([]);
    expect(queued('fairBy: ["param:id"]')).toEqual([]);
  });

  it.each([
    [
      'max: 0',
      /^3:\d+ {2}limits\.one\.over\.queue\.max {2}0 is not allowed here; expected a whole number from 1 to 100000$/,
    ],
    ['max: 1.5', /limits\.one\.over\.queue\.max {2}1\.5 is not allowed/],
    ['perKey: 0', /limits\.one\.over\.queue\.perKey {2}0 is not allowed/],
    ['max: 5, perKey: 6', /limits\.one\.over {2}perKey 6 is more than max 5; expected at most 5$/],
    ['deadline: 0', /limits\.one\.over\.queue\.deadline/],
    ['deadline: soon', /limits\.one\.over\.queue\.deadline {2}"soon" is not a duration/],
    ['deadline: 6m', /limits\.one\.over\.queue\.deadline .*at most 5m/],
    ['fairBy: []', /limits\.one\.over\.queue\.fairBy .*at least one key/],
    ['fairBy: [usr]', /limits\.one\.over\.queue\.fairBy\[0\] {2}"usr" is nothing to limit by/],
    ['fairBy: ["param:name"]', /^5:\d+ {2}routes\[0\]\.limit.*has no parameter "name"/],
    [
      'fairBy: [ip], weights: { default: 0 }',
      /limits\.one\.over\.queue\.weights\.default {2}0 is not allowed/,
    ],
    [
      'fairBy: [ip], weights: { default: 101 }',
      /limits\.one\.over\.queue\.weights\.default {2}101 is not allowed/,
    ],
    [
      'weights: { trader: 2 }',
      /^3:\d+ {2}limits\.one\.over {2}weights need fairBy: .*; expected fairBy: \[user\]$/,
    ],
    ['fairby: [ip]', /limits\.one\.over\.queue\.fairby {2}unknown option "fairby"; .*did you mean fairBy\?$/],
    [
      'timeout: 2s',
      /limits\.one\.over\.queue\.timeout {2}unknown option "timeout"; expected one of max, perKey, deadline/,
    ],
  ])('refuses %s', (queue, message) => {
    const found = queued(queue);
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]).toMatch(message);
  });

  it('is not a list of keys that all who wait agree in', () => {
    expect(queued('fairBy: [ip]', 'by: [ip, route], rate: 5/s')).toEqual([
      expect.stringMatching(/limits\.one\.over {2}all who wait for one bucket agree in what fairBy names/),
    ]);
  });

  it('belongs under queue, and a deadline to a queue', () => {
    expect(mistakes('{ by: [ip], rate: 5/s, over: { deadline: 2s } }')).toEqual([
      expect.stringMatching(/^3:\d+ {2}limits\.one\.over\.queue {2}is missing/),
      expect.stringMatching(
        /^3:\d+ {2}limits\.one\.over\.deadline {2}unknown option "deadline"; expected one of queue/,
      ),
    ]);
    expect(mistakes('{ by: [ip], rate: 5/s, deadline: 2s }')).toEqual([
      expect.stringMatching(/^3:\d+ {2}limits\.one\.deadline {2}unknown option "deadline"/),
    ]);
    expect(mistakes('{ by: [ip], rate: 5/s, over: wait }')).toEqual([
      expect.stringMatching(
        /^3:\d+ {2}limits\.one\.over {2}"wait" is not allowed here; expected reject, queue/,
      ),
    ]);
    expect(mistakes('{ by: [ip], rate: 5/s, over: queu }')[0]).toMatch(/did you mean queue\?$/);
  });

  it('is nothing for a quota', () => {
    const said: string[] = [];
    const queue = { max: 5, deadline: 1_000 };
    overContradictions({ by: ['ip'], algorithm: 'quota', over: { queue } }, (path, message, expected) =>
      said.push(`${path}: ${message}; ${expected}`),
    );
    expect(said).toEqual(['over: a quota has no queue: nobody waits for tomorrow; over: reject']);
  });

  it.each(['fairBy: [user]', 'fairBy: ["claim:org"]', 'fairBy: [ip], weights: { trader: 2 }'])(
    'with %s needs to know who calls',
    (queue) => {
      expect(queued(queue)).toEqual([
        expect.stringMatching(
          /^5:\d+ {2}routes\[0\]\.limit.* has no auth: all who wait would be alike; expected auth/,
        ),
      ]);
    },
  );
});

it('requests in flight must have room in memory', () => {
  const text = (max: number) =>
    `workers: 2\nlimiter: { inFlight: 16 }\n${file(`{ by: [ip], algorithm: concurrency, max: ${max} }`)}`;
  expect(mistakesIn(text(32))).toEqual([]);
  expect(mistakesIn(text(33))).toEqual([
    expect.stringMatching(/limits\.one\.max {2}all workers together have room for 32 requests in flight/),
  ]);
});
