import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { HealthConfig } from '../../../src/config/schema/services/health.ts';
import { health } from '../../../src/config/schema/services/health.ts';
import { Prober, type Target } from '../../../src/control/health/prober.ts';
import { createLog } from '../../../src/observe/log.ts';
import { EndpointTable, endpointTableBytes, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import { createInProcess } from '../../../src/shared/segment.ts';
import { eventually } from '../../harness/eventually.ts';
import { startService } from '../../harness/service.ts';

const region = createInProcess({ endpoints: endpointTableBytes(1) }).region('endpoints');
let table: EndpointTable;
let prober: Prober;

beforeEach(() => {
  table = new EndpointTable(region, 0);
  table.words.fill(0);
  prober = new Prober(table, createLog({ write: () => {} }, 'info', {}));
});
afterEach(() => {
  prober.close();
  vi.restoreAllMocks();
});

function target(slot: number, url: string, options: Record<string, unknown> = {}): Target {
  const config = health.parse({ interval: '50ms', timeout: '50ms', ...options }) as HealthConfig;
  return { service: 'quotes', id: `${url}#${slot}`, url, slot, health: config, tls: { verify: true } };
}

it('spreads the first probes of many endpoints, and asks at most 256 at once', async () => {
  let open = 0;
  let most = 0;
  const service = await startService((request) => {
    open++;
    most = Math.max(most, open);
    request.socket.once('close', () => void open--);
  });
  const options = { interval: '10s', timeout: '2s' };
  prober.set(Array.from({ length: 400 }, (_, slot) => target(slot, service.url, options)));
  // They would all begin within 4 s; those beyond 256 wait for others to fail.
  await eventually(() => service.requests.length >= 40);
  expect(service.requests.length).toBeLessThan(400);
  await eventually(() => service.requests.length === 400, { withinMs: 15_000 });
  expect(most).toBeLessThanOrEqual(256);
}, 20_000);

it('forgets endpoints that leave, and begins anew with one that gets their slot', async () => {
  const service = await startService((_request, response) => {
    response.statusCode = 500;
    response.end();
  });
  prober.set([target(3, service.url, { unhealthy: 1 })]);
  await eventually(() => !table.isAvailable(3));
  expect(prober.viewOf(3)).toMatchObject({ state: 'unhealthy' });
  prober.set([]);
  expect(prober.viewOf(3)).toBeNull();
  const before = service.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(service.requests.length - before).toBeLessThanOrEqual(1);
  table.clearEndpoint(3);
  const well = await startService((_request, response) => response.end());
  prober.set([target(3, well.url)]);
  expect(prober.viewOf(3)).toMatchObject({ state: 'unknown', passed: 0, failed: 0 });
  await eventually(() => prober.viewOf(3)?.state === 'healthy');
});

it('needs as many results in a row as configured, but one pass when nothing is known', async () => {
  const script = [200, 500, 500, 200, 500, 500, 500, 200, 500, 200, 200];
  const states: (string | undefined)[] = [];
  const service = await startService((_request, response) => {
    states.push(prober.viewOf(0)?.state);
    response.statusCode = script[states.length - 1] ?? 200;
    response.end();
  });
  prober.set([target(0, service.url, { timeout: '5s', unhealthy: 3, healthy: 2 })]);
  table.mark(0, UNHEALTHY, true);
  await eventually(() => states.length > script.length);
  const [up, down] = ['healthy', 'unhealthy'];
  expect(states.slice(0, 12)).toEqual(['unknown', up, up, up, up, up, up, down, down, down, down, up]);
  expect(table.isAvailable(0)).toBe(true);
});
