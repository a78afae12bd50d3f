/** Retries must not multiply an outage. */
import { expect, it } from 'vitest';
import { startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';
import { startService } from '../harness/service.ts';
import { counted } from './counts.ts';

it.each([
  ['answers everything with 503', 503, 503],
  ['cuts every connection', 0, 502],
])('a service that %s gets 1.11 calls for each request at most', async (_what, status, seen) => {
  let calls = 0;
  const service = await startService((request, response) => {
    calls++;
    if (status === 0) return void request.socket.resetAndDestroy();
    response.writeHead(status).end();
  });
  const gateway = await startGateway({
    services: {
      failing: {
        endpoints: [service.url],
        retries: { attempts: 5, on: ['connect', 'reset', 503], backoff: { base: '1ms', max: '20ms' } },
      },
    },
    routes: [{ name: 'failing', match: { path: '/*' }, service: 'failing' }],
  });
  const load = startLoad(gateway.url, { connections: 16, path: '/', status: seen });
  const deadline = performance.now() + 10_000;
  while (load.result.answered < 1_500 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const { answered, failed } = await load.stop();
  expect(failed).toEqual([]);
  expect(answered).toBeGreaterThanOrEqual(500);
  expect(calls / answered).toBeLessThanOrEqual(1.11);
  expect(calls / answered).toBeGreaterThan(1.05);
  const reason = status === 0 ? 'reset' : 'status';
  const counts = await counted(gateway, 'sluice_retries_total');
  expect(counts[`service="failing",reason="${reason}",result="budget"`]).toBeGreaterThan(0);
});
