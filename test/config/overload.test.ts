import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const ROUTE = 'routes: [{ name: a, match: { path: / }, respond: {}, priority: background }]';

describe('overload', () => {
  it('is off when it is not there, and has ceilings of its own when it is empty', () => {
    expect(configOf('routes: []').overload).toBeNull();
    expect(configOf('overload: {}').overload).toEqual({
      loopDelay: 50,
      inFlight: 5_000,
      memory: { share: 0.8 },
      retryAfter: 5_000,
    });
  });

  it('takes a share, a size or nothing as memory', () => {
    expect(configOf('overload: { memory: 1GiB }').overload?.memory).toEqual({ bytes: 2 ** 30 });
    expect(configOf('overload: { memory: 62.5% }').overload?.memory).toEqual({ share: 0.625 });
    expect(configOf('overload: { memory: off }').overload?.memory).toBeNull();
  });

  it.each([
    ['overload: { loopDelay: 1ms }', '1:24  overload.loopDelay  1ms is too small; expected at least 5ms'],
    [
      'overload: { inFlight: 0 }',
      '1:23  overload.inFlight  0 is not allowed here; expected a whole number from 1 to 1000000, or off',
    ],
    [
      'overload: { memory: 120% }',
      '1:21  overload.memory  "120%" is no share of the memory; expected a share such as 80%, a size such as 1GiB, or off',
    ],
    ['overload: { memory: 1MiB }', '1:21  overload.memory  1MiB is too small; expected at least 64MiB'],
    [
      'overload: { memory: lots }',
      '1:21  overload.memory  "lots" is not a size; expected a share such as 80%, a size such as 1GiB, or off',
    ],
    [
      'overload: { retryAfter: 200ms }',
      '1:25  overload.retryAfter  200ms is too small; expected at least 1s',
    ],
    [
      'overload: { loopDelay: off, inFlight: off, memory: off }',
      '1:11  overload  every ceiling is off; expected a ceiling, or no overload section',
    ],
    [
      'overload: { inflight: 5 }',
      '1:13  overload.inflight  unknown option "inflight"; expected one of loopDelay, inFlight, memory, retryAfter; did you mean inFlight?',
    ],
  ])('refuses %s', (text, mistake) => {
    expect(mistakesIn(text)).toEqual([mistake]);
  });
});

describe('priority', () => {
  it('is one of three', () => {
    expect(mistakesIn(ROUTE.replace('background', 'critcal'))).toEqual([
      '1:64  routes[0].priority  "critcal" is not allowed here; expected critical, normal, background; did you mean critical?',
    ]);
  });

  it('without ceilings is probably not meant', () => {
    expect(warningsIn(ROUTE)).toEqual([
      '1:54  routes[0].priority  priority changes nothing without ceilings; expected an "overload" section',
    ]);
    expect(warningsIn(`overload: {}\n${ROUTE}`)).toEqual([]);
    expect(warningsIn('defaults: { priority: background }\nroutes: []')).toEqual([
      '1:13  defaults.priority  priority changes nothing without ceilings; expected an "overload" section',
    ]);
  });
});
