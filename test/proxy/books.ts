import { expect } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import type { RunningGateway } from '../harness/gateway.ts';

/**
 * Whatever happened to the exchanges of a gateway: none is left open, and each has exactly one line in the access log (which
 * must be on). What is still under way would also keep it from leaving.
 */
export async function expectBooksInOrder(gateway: RunningGateway): Promise<void> {
  const total = await eventually(
    async () => {
      const { body } = await gateway.ask('/stats');
      return body.total.inFlight === 0 && body.total;
    },
    { what: 'the end of all exchanges' },
  );
  const lines = () => gateway.log.filter(({ msg }) => msg === 'access');
  await eventually(() => lines().length >= total.count, { what: 'a line for each exchange' });
  expect(lines()).toHaveLength(total.count);
  expect(new Set(lines().map((line) => line.request_id)).size).toBe(total.count);
  expect(gateway.garbage).toEqual([]);
  expect(gateway.stderr).toBe('');
}
