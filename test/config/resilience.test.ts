/** Retries, hedging, bulkheads and fallbacks: what may be written, and what is said of the rest. */
import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

function service(options: string, endpoints = '[http://a, http://b]'): string {
  return `services:\n  quotes:\n    endpoints: ${endpoints}\n    ${options}\nroutes:\n- { name: r, match: { path: / }, service: quotes }\n`;
}

function route(options: string): string {
  return `services:\n  quotes: { endpoints: [http://a] }\n  backup: { endpoints: [http://b] }\nroutes:\n- name: r\n  match: { path: / }\n  ${options}\n- { name: s, match: { path: /s }, service: backup }\n`;
}

describe('what is written', () => {
  it('may leave nearly everything out', () => {
    const { quotes } = configOf(service('retries: {}\n    hedge: {}\n    bulkhead: {}')).services;
    expect(quotes).toMatchObject({
      retries: {
        attempts: 2,
        on: ['connect', 'reset'],
        backoff: { base: 25, max: 1_000 },
        budget: { share: 0.1, minimum: 1 },
      },
      hedge: { after: { quantile: 0.95 }, max: 1, budget: { share: 0.05, minimum: 1 } },
      bulkhead: { maxInFlight: 100, maxWaiting: 50, maxWait: 1_000, adaptive: null },
    });
  });

  it('may be nothing: then there is nothing', () => {
    const { quotes } = configOf(service('balance: random')).services;
    expect([quotes.retries, quotes.hedge, quotes.bulkhead]).toEqual([undefined, undefined, undefined]);
  });

  it('is what the example of the documentation says', () => {
    const text = service(
      'retries: { attempts: 2, on: [connect, reset, 503], backoff: { base: 25ms, max: 1s }, budget: 10% }',
    );
    expect(configOf(text).services.quotes.retries).toEqual({
      attempts: 2,
      on: ['connect', 'reset', 503],
      backoff: { base: 25, max: 1_000 },
      budget: { share: 0.1, minimum: 1 },
    });
  });

  it.each([
    ['p50', { quantile: 0.5 }],
    ['p99.9', { quantile: 0.9990000000000001 }],
    ['50ms', { ms: 50 }],
    ['2s', { ms: 2_000 }],
  ])('hedge.after may be %s', (written, after) => {
    const { hedge } = configOf(service(`hedge: { after: ${written} }`)).services.quotes;
    expect(hedge?.after).toEqual(
      'quantile' in after ? { quantile: expect.closeTo(after.quantile, 6) } : after,
    );
  });

  it.each([
    ['true', { min: 4, tolerance: 1.5 }],
    ['false', null],
    ['{ min: 10 }', { min: 10, tolerance: 1.5 }],
  ])('bulkhead.adaptive may be %s', (written, adaptive) => {
    expect(
      configOf(service(`bulkhead: { adaptive: ${written} }`)).services.quotes.bulkhead?.adaptive,
    ).toEqual(adaptive);
  });

  it('of a route’s retries has no budget, or is off', () => {
    const { routes } = configOf(route('service: quotes\n  retries: { attempts: 1, on: [503] }'));
    expect(routes[0].retries).toEqual({ attempts: 1, on: [503], backoff: { base: 25, max: 1_000 } });
    expect(configOf(route('service: quotes\n  retries: off')).routes[0].retries).toBe('off');
  });

  it('of a fallback is a service or an answer', () => {
    const text = route(
      'service: quotes\n  fallback: [{ service: backup, on: [503] }, { respond: { body: { a: 1 } } }]',
    );
    expect(configOf(text).routes[0].fallback).toEqual([
      { service: 'backup', on: [503] },
      { respond: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"a":1}' }, on: [] },
    ]);
  });
});

describe('a mistake is told where it is', () => {
  it.each([
    [
      'retries: { attempts: 0 }',
      '4:26  services.quotes.retries.attempts  0 is not allowed here; expected a whole number from 1 to 10',
    ],
    [
      'retries: { on: [conect] }',
      '4:21  services.quotes.retries.on[0]  "conect" is not allowed here; expected connect, reset, timeout, 5xx, or a status from 400 to 599; did you mean connect?',
    ],
    [
      'retries: { on: [200] }',
      '4:21  services.quotes.retries.on[0]  200 is not allowed here; expected a status from 400 to 599',
    ],
    [
      'retries: { on: [503, 503] }',
      '4:26  services.quotes.retries.on[1]  "503" is named already; expected each condition once',
    ],
    [
      'retries: { on: [] }',
      '4:20  services.quotes.retries.on  is an empty list; expected at least one condition',
    ],
    [
      'retries: { backoff: { base: 2s } }',
      '4:33  services.quotes.retries.backoff.base  the first wait (2s) is longer than the longest (1s); expected base up to max',
    ],
    [
      'retries: { budgett: 10% }',
      '4:16  services.quotes.retries.budgett  unknown option "budgett"; expected one of attempts, on, backoff, budget; did you mean budget?',
    ],
    [
      'retries: { budget: 120% }',
      '4:24  services.quotes.retries.budget  "120%" is not a share of the whole; expected a share such as 10%, or a number from 0 to 1',
    ],
    [
      'hedge: { after: p20 }',
      '4:21  services.quotes.hedge.after  p20 would repeat most requests; expected p50 to p99.9',
    ],
    [
      'hedge: { after: p100 }',
      '4:21  services.quotes.hedge.after  "p100" is not allowed here; expected p50 to p99.9, or a duration such as 50ms',
    ],
    [
      'hedge: { max: 9 }',
      '4:19  services.quotes.hedge.max  9 is not allowed here; expected a whole number from 1 to 3',
    ],
    [
      'bulkhead: { maxInFlight: 3, adaptive: true }',
      '4:30  services.quotes.bulkhead.maxInFlight  the limit cannot stay above 4 and below 3; expected adaptive.min up to maxInFlight',
    ],
  ])('%s', (options, mistake) => {
    expect(mistakesIn(service(options))).toEqual([mistake]);
  });

  it.each([
    [
      'service: quotes\n  fallback: [{ service: bakcup }]',
      '8:25  routes[0].fallback[0].service  there is no service "bakcup"; expected one of quotes, backup; did you mean backup?',
    ],
    [
      'service: quotes\n  fallback: [{ service: quotes }]',
      '8:25  routes[0].fallback[0].service  "quotes" answers on this route already, and has failed when this step is taken; expected another service',
    ],
    [
      'service: quotes\n  fallback: [{ service: backup }, { service: backup, on: [503] }]',
      '8:46  routes[0].fallback[1].service  "backup" is an earlier step, and has failed when this step is taken; expected another service',
    ],
    [
      'service: quotes\n  fallback: [{ respond: {} }, { service: backup }]',
      '8:31  routes[0].fallback[1]  the step before it always has an answer, so this one is never taken; expected respond as the last step',
    ],
    [
      'service: quotes\n  fallback: [{ on: [503] }]',
      '8:14  routes[0].fallback[0]  the step says nothing about who answers; expected exactly one of service, respond',
    ],
    [
      'service: quotes\n  fallback: [{ service: backup, respond: {} }]',
      '8:14  routes[0].fallback[0]  service and respond exclude each other; expected exactly one of service, respond',
    ],
    [
      'service: quotes\n  fallback: []',
      '8:13  routes[0].fallback  is an empty list; expected at least one step',
    ],
    [
      'respond: {}\n  fallback: [{ service: backup }]',
      '8:3  routes[0].fallback  fallback is about a service that fails, and this route has no service',
    ],
    [
      'respond: {}\n  retries: off',
      '8:3  routes[0].retries  retries is about a service that fails, and this route has no service',
    ],
    [
      'service: quotes\n  retries: { budget: 10% }',
      '8:14  routes[0].retries.budget  unknown option "budget"; expected one of attempts, on, backoff',
    ],
  ])('%s', (options, mistake) => {
    expect(mistakesIn(route(options))).toEqual([mistake]);
  });
});

describe('what probably is not meant', () => {
  it('is hedging with a single endpoint', () => {
    expect(warningsIn(service('hedge: {}', '[http://a]'))).toEqual([
      '4:5  services.quotes.hedge  a second request goes to another endpoint, and there is none',
    ]);
  });

  it('is not a service that only a fallback names', () => {
    const text = route('service: quotes\n  fallback: [{ service: backup }]').replace(/- \{ name: s.*\n/, '');
    expect(warningsIn(text)).toEqual([]);
  });
});
