import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn } from './mistakes.ts';

const limits = (options: string) => `limits: { odd: { by: [ip], ${options} } }\nroutes: []`;

describe('an adaptive limit', () => {
  it('needs a floor and nothing else', () => {
    expect(configOf(limits('algorithm: adaptive, floor: 5/s')).limits.odd).toMatchObject({
      algorithm: 'adaptive',
      floor: { count: 5, periodMs: 1_000 },
    });
    expect(mistakesIn(limits('algorithm: adaptive'))).toEqual([
      '1:39  limits.odd.algorithm  adaptive needs floor; expected floor: 5/s',
    ]);
  });

  it('takes all of its options', () => {
    const text = limits(
      'algorithm: adaptive, floor: 5/s, sensitivity: 2.5, for: 30s, learn: 1h, minimum: 20/s, signals: [errors], scorer: ewma, shadow: false',
    );
    expect(configOf(text).limits.odd).toMatchObject({
      sensitivity: 2.5,
      for: 30_000,
      learn: 3_600_000,
      minimum: { count: 20, periodMs: 1_000 },
      signals: ['errors'],
      scorer: 'ewma',
      shadow: false,
    });
  });

  it.each([
    ['rate: 5/s', '1:67  limits.odd.rate  adaptive has no rate'],
    ['burst: 5', '1:68  limits.odd.burst  adaptive has no burst'],
    ['max: 5', '1:66  limits.odd.max  adaptive has no max'],
    ['cost: { value: 2 }', '1:67  limits.odd.cost  adaptive has no cost'],
    [
      'minimum: 59/min',
      '1:70  limits.odd.minimum  a key below the floor is never throttled; expected at least the floor',
    ],
    [
      'sensitivity: 0',
      '1:74  limits.odd.sensitivity  0 is not allowed here; expected a number from 1 to 100',
    ],
    [
      'for: 0',
      '1:66  limits.odd.for  0 is not allowed here; expected a duration such as 250ms, 5s, 2m or 1h',
    ],
    ['learn: 1s', '1:68  limits.odd.learn  1s is too small; expected at least 2s'],
    ['signals: []', '1:70  limits.odd.signals  is an empty list; expected at least one of rate, errors'],
    [
      'signals: [rates]',
      '1:71  limits.odd.signals[0]  "rates" is not allowed here; expected rate, errors; did you mean rate?',
    ],
    [
      'scorer: emwa',
      '1:69  limits.odd.scorer  "emwa" is not allowed here; expected ewma; did you mean ewma?',
    ],
    ['sensitvity: 3', /^1:61 {2}limits\.odd\.sensitvity {2}unknown option .*did you mean sensitivity\?$/],
  ])('refuses %s', (option, mistake) => {
    expect(mistakesIn(limits(`algorithm: adaptive, floor: 1/s, ${option}`))).toEqual([
      typeof mistake === 'string' ? mistake : expect.stringMatching(mistake),
    ]);
  });

  it('by user wants a route that asks who calls', () => {
    expect(
      mistakesIn(
        'routes: [{ name: a, match: { path: / }, respond: {}, limit: [{ by: [user], algorithm: adaptive, floor: 5/s }] }]',
      ),
    ).toEqual([expect.stringContaining('the route "a" has no auth: all its callers would share one bucket')]);
  });
});

it('other limits have none of its options', () => {
  expect(mistakesIn(limits('rate: 5/s, floor: 1/s, learn: 1m'))).toEqual([
    '1:46  limits.odd.floor  token-bucket has no floor',
    '1:58  limits.odd.learn  token-bucket has no learn',
  ]);
});

it('an adaptive limit stands beside no queue of a plan, nor in a plan beside that of a route', () => {
  const route = (limit: string) =>
    `defaultPlan: free\nroutes: [{ name: a, match: { path: / }, auth: anonymous, respond: {}, limit: [${limit}] }]`;
  const adaptive = '{ by: [ip], algorithm: adaptive, floor: 5/s }';
  const queue = '{ by: [ip], rate: 5/s, over: queue }';
  for (const text of [
    `plans: { free: { limits: [${queue}] } }\n${route(`${adaptive}, plan`)}`,
    `plans: { free: { limits: [${adaptive}] } }\n${route(`plan, ${queue}`)}`,
    `plans: { free: { limits: [${adaptive}, ${queue}] } }\n${route('plan')}`,
  ]) {
    expect(mistakesIn(text)).toEqual([
      expect.stringContaining('cannot stand beside one that lets requests wait'),
    ]);
  }
});

it('an adaptive limit has no queue, and stands beside none', () => {
  expect(mistakesIn(limits('algorithm: adaptive, floor: 5/s, over: queue'))).toEqual([
    expect.stringContaining('limits.odd.over  an adaptive limit has no queue'),
  ]);
  const mixed =
    'routes: [{ name: a, match: { path: / }, respond: {}, limit: [{ by: [ip], rate: 5/s, over: queue }, { by: [ip], algorithm: adaptive, floor: 5/s }] }]';
  expect(mistakesIn(mixed)).toEqual([
    expect.stringContaining(
      'routes[0].limit[1]  an adaptive limit cannot stand beside one that lets requests wait',
    ),
  ]);
});
