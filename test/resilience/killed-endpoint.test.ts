/** An endpoint dies under load: nobody who may be helped notices. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';
import { startService } from '../harness/service.ts';

it('one of 3 endpoints is killed under 64 busy connections: no GET fails', async () => {
  const services = await Promise.all(
    [1, 2, 3].map(() => startService((_request, response) => setTimeout(() => response.end('fine'), 5))),
  );
  const gateway = await startGateway({
    services: {
      quotes: {
        endpoints: services.map(({ url }) => url),
        retries: { attempts: 2, on: ['connect', 'reset'] },
      },
    },
    routes: [{ name: 'quotes', match: { path: '/*' }, service: 'quotes' }],
  });
  const load = startLoad(gateway.url, { connections: 64, path: '/' });
  await sleep(1_000);
  const before = load.result.answered;
  await services[1].close();
  await sleep(1_500);
  const { answered, failed, closed } = await load.stop();
  expect(failed).toEqual([]);
  expect(closed).toBe(0);
  expect(before).toBeGreaterThan(50);
  expect(answered - before).toBeGreaterThan(50);
});
