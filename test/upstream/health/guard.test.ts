import { beforeEach, describe, expect, it } from 'vitest';
import { CIRCUIT_OPEN, CLIENT_CLOSED, type Failure, UPSTREAM_RESET } from '../../../src/errors.ts';
import { EndpointTable, endpointTableBytes } from '../../../src/shared/endpoint-table.ts';
import { NO_TICKET } from '../../../src/shared/health/breaker.ts';
import { createInProcess } from '../../../src/shared/segment.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import type { Guard, Ticket } from '../../../src/upstream/health/guard.ts';
import { healthOptions } from '../../../src/upstream/health/options.ts';
import { ServiceHealth } from '../../../src/upstream/health/service-health.ts';
import { configOf } from '../../config/mistakes.ts';

const region = createInProcess({ endpoints: endpointTableBytes(1) }).region('endpoints');
const table = new EndpointTable(region, 1);
let now: number;

beforeEach(() => {
  now = 86_400_000;
  table.words.fill(0);
  table.inFlight.fill(0);
});

/** Guards of a service with two endpoints. */
function guardsOf(options: string): [Guard, Guard] {
  const config = configOf(
    `services: { a: { endpoints: ["http://a", "http://b"], ${options} } }\nroutes: [{ name: a, match: { path: / }, service: a }]`,
  );
  const health = new ServiceHealth(table, healthOptions(config.services.a!), () => now);
  const entries = [0, 1].map((slot) => ({ id: `${slot}`, url: '', weight: 1, zone: '', priority: 0, slot }));
  const endpoints = entries.map(() => ({ guard: null }) as unknown as Endpoint);
  health.take({ service: 'a', version: 1, slot: 0, entries }, endpoints);
  return endpoints.map(({ guard }) => guard) as [Guard, Guard];
}

function ticket(): Ticket {
  return { serviceTicket: NO_TICKET, endpointTicket: NO_TICKET, judged: false, startedAt: 0 };
}

function attempt(guard: Guard, failure: Failure | null, status: number, headMs = 1): boolean {
  const own = ticket();
  const mayGo = guard.began(own);
  guard.ended(own, mayGo ? failure : CIRCUIT_OPEN, mayGo ? status : 0, headMs);
  return mayGo;
}

const BOTH = 'breaker: { scope: both, minimum: 2, slowCall: 100ms, probes: 1, rampUp: off }';

describe('a guard', () => {
  it('takes for a failure what the service did wrong, and nothing else', () => {
    const [a] = guardsOf(BOTH);
    attempt(a, null, 200);
    attempt(a, null, 404);
    attempt(a, null, 501);
    attempt(a, CLIENT_CLOSED, 0);
    attempt(a, CLIENT_CLOSED, 200);
    expect(a.breaker?.counts()).toEqual({ calls: 4, failed: 0, slow: 0 });
    attempt(a, null, 200, 101);
    attempt(a, CLIENT_CLOSED, 503);
    attempt(a, UPSTREAM_RESET, 0);
    expect(a.breaker?.counts()).toEqual({ calls: 7, failed: 2, slow: 1 });
  });

  it('tells the breaker of the service what becomes of attempts at all endpoints', () => {
    const [a, b] = guardsOf(BOTH);
    attempt(a, UPSTREAM_RESET, 0);
    attempt(b, UPSTREAM_RESET, 0);
    expect(a.breaker?.state).toBe(0);
    expect([attempt(a, null, 200), attempt(b, null, 200)]).toEqual([false, false]);
  });

  it('gives the probe of the service back when the endpoint refuses', () => {
    const [a, b] = guardsOf(BOTH);
    for (let i = 0; i < 2; i++) attempt(a, UPSTREAM_RESET, 0);
    now += 5_010;
    // The one of `a` is taken, that of the service is not.
    a.breaker?.begin();
    expect(attempt(a, null, 200)).toBe(false);
    expect(attempt(b, null, 200)).toBe(true);
  });

  it('judges a socket by its handshake, once', () => {
    const [a] = guardsOf(BOTH);
    const own = ticket();
    a.began(own);
    a.ended(own, null, 101, 1);
    for (let i = 0; i < 4; i++) a.ejection?.failed(false);
    // The socket ends, long after.
    a.ended(own, null, 101, 1);
    expect(a.breaker?.counts().calls).toBe(1);
    a.ejection?.failed(false);
    expect(a.ejection?.view).toBe('ejected');
  });

  it('is none where nothing is asked for', () => {
    const [a] = guardsOf('passive: off');
    expect([a.ejection, a.breaker]).toEqual([null, null]);
  });
});
