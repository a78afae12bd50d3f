/** Options about health: what they become, and what is wrong with them. */
import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn } from './mistakes.ts';

const ROUTE = 'routes: [{ name: a, match: { path: / }, service: a }]\n';
const text = (options: string) => `services:\n  a:\n    endpoints: [http://a]\n    ${options}\n${ROUTE}`;
const serviceOf = (options: string) => configOf(text(options)).services.a;
const mistakes = (options: string) => mistakesIn(text(options));

describe('health', () => {
  it('is off unless asked for, and a path is enough', () => {
    expect(serviceOf('balance: random')?.health).toBeNull();
    expect(serviceOf('health: /healthz')?.health).toEqual({
      type: 'http',
      path: '/healthz',
      interval: 5_000,
      timeout: 1_000,
      healthy: 2,
      unhealthy: 3,
      status: [[200, 299]],
      headers: {},
      initial: 'healthy',
    });
  });

  it('takes statuses in all forms', () => {
    const statusOf = (status: string) => serviceOf(`health: { path: /, status: ${status} }`)?.health?.status;
    expect(statusOf('204')).toEqual([[204, 204]]);
    expect(statusOf('200-399')).toEqual([[200, 399]]);
    expect(statusOf('[200, 300-302]')).toEqual([
      [200, 200],
      [300, 302],
    ]);
  });

  it.each([
    ['health: healthz', /^4:13 {2}services\.a\.health {2}"healthz" is not the path of a request/],
    ['health: { path: /h, status: 299-200 }', /^4:33 .*status {2}"299-200" is no status/],
    ['health: { path: /h, status: [99] }', /"99" is no status from 100 to 599/],
    ['health: { path: /h, json: { pointer: status, equals: up } }', /a JSON Pointer such as \/status/],
    ['health: { path: /h, json: { pointer: /status } }', /json\.equals {2}is missing/],
    ['health: { path: /h, pth: /x }', /^4:25 .*unknown option "pth".*did you mean path\?$/],
    ['health: { type: tcp, path: /h }', /^4:26 .*health\.path {2}a probe of type tcp asks for nothing/],
    ['health: { type: tcp, json: { pointer: "", equals: 1 } }', /health\.json {2}a probe of type tcp/],
    ['health: { path: /h, interval: 1s, timeout: 2s }', /^4:48 .*timeout {2}a probe may take longer/],
    ['health: { path: /h, interval: 500ms }', /^4:35 .*interval {2}a probe may take longer/],
    [
      'health: { path: /h, headers: { Host: a } }',
      /health\.headers {2}Host is not set here; expected health\.host/,
    ],
    ['health: { path: /h, unhealthy: 0 }', /a whole number from 1 to 100/],
    ['health: { path: /h, port: 70000 }', /a port from 1 to 65535/],
  ])('with a mistake is refused: %s', (options, expected) => {
    expect(mistakes(options)).toEqual([expect.stringMatching(expected)]);
  });
});

describe('passive', () => {
  it('looks at errors in a row by default, and can be off', () => {
    expect(serviceOf('balance: random')?.passive).toEqual({
      consecutive5xx: 0,
      consecutiveErrors: 5,
      successRate: null,
      baseEjection: 30_000,
      maxEjection: 300_000,
      maxEjected: 0.5,
    });
    expect(serviceOf('passive: off')?.passive).toBeNull();
  });

  it.each([
    [
      'passive: { consecutiveErrors: 0 }',
      /services\.a\.passive {2}nothing puts an endpoint out; expected passive: off/,
    ],
    ['passive: { baseEjection: 10m }', /^4:30 .*baseEjection {2}maxEjection is shorter than baseEjection/],
    ['passive: { maxEjected: 120% }', /"120%" is not a share of the whole/],
    ['passive: never', /off, or a mapping with consecutiveErrors/],
  ])('with a mistake is refused: %s', (options, expected) => {
    expect(mistakes(options)).toEqual([expect.stringMatching(expected)]);
  });
});

describe('breaker', () => {
  it('is off unless asked for', () => {
    expect(serviceOf('balance: random')?.breaker).toBeNull();
    expect(serviceOf('breaker: {}')?.breaker).toEqual({
      scope: 'service',
      window: 10_000,
      minimum: 20,
      failureRatio: 0.5,
      statuses: [500, 502, 503, 504],
      slowCall: 0,
      slowRatio: 0.8,
      openFor: 5_000,
      probes: 3,
      rampUp: 1_000,
    });
  });

  it.each([
    ['breaker: { scope: services }', /^4:23 .*scope .*service, endpoint, both.*did you mean service\?$/],
    ['breaker: { slowRatio: 10% }', /^4:16 .*slowRatio {2}no call is slow without slowCall/],
    ['breaker: { failureRatio: 0 }', /^4:30 .*failureRatio {2}nothing opens the breaker/],
    ['breaker: { statuses: [500, 500] }', /"500" is named already/],
    ['breaker: { statuses: [200] }', /a status from 400 to 599/],
    ['breaker: { openFor: 10ms }', /10ms is too small; expected at least 100ms/],
    ['breaker: { probes: 0 }', /a whole number from 1 to 100/],
  ])('with a mistake is refused: %s', (options, expected) => {
    expect(mistakes(options)).toEqual([expect.stringMatching(expected)]);
  });
});

it('a route may tell how services are, and has no provider then', () => {
  expect(mistakesIn('routes: [{ name: s, match: { path: /s }, builtin: services }]')).toEqual([]);
  expect(
    mistakesIn('routes: [{ name: s, match: { path: /s }, builtin: { action: services, provider: web } }]'),
  ).toEqual([expect.stringMatching(/routes\[0\]\.builtin\.provider {2}services have no provider/)]);
});
