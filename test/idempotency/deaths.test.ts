/** Workers and gateways that die while a request with a key is under way: never a second call. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { later, order, startWorkshop, type Workshop } from './workshop.ts';

const LEASE_MS = 5000;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-idempotency-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const configOf = (workshop: Workshop, data: string, workers: number) => ({
  data,
  workers,
  services: { shop: { endpoints: [workshop.url] } },
  routes: [{ name: 'do', match: { path: '/do' }, service: 'shop', idempotency: true }],
});

/** A request that the service has executed and not answered yet. */
async function underWay(workshop: Workshop, url: string, signal?: AbortSignal) {
  workshop.hold();
  const first = order(url, '"k"', { signal });
  const ended = first.catch((error: Error) => error);
  await eventually(() => workshop.executed() === 1);
  return { first, ended };
}

describe('a request that is under way', () => {
  it('has an unknown outcome when its worker is killed', async () => {
    const workshop = await startWorkshop();
    const gateway = await startGateway(configOf(workshop, folder(), 2));
    const { ended } = await underWay(workshop, gateway.url);
    for (const pid of await gateway.workerPids()) process.kill(pid, 'SIGKILL');
    expect(await ended).toBeInstanceOf(Error);
    workshop.release();
    const told = await eventually(() => later(gateway.url, '"k"').catch(() => undefined));
    expect([told.status, told.code]).toEqual([409, 'IDEMPOTENCY_OUTCOME_UNKNOWN']);
    expect(workshop.executed()).toBe(1);
    expect((await eventually(() => order(gateway.url, '"other"').catch(() => undefined))).status).toBe(201);
  });

  it('has an unknown outcome when its gateway is killed, for the next one on the same folder', async () => {
    const workshop = await startWorkshop();
    const data = folder();
    const gateway = await startGateway(configOf(workshop, data, 1));
    const { ended } = await underWay(workshop, gateway.url);
    const killedAt = performance.now();
    gateway.signal('SIGKILL');
    expect(await ended).toBeInstanceOf(Error);
    await gateway.exited;
    workshop.release();
    const next = await startGateway(configOf(workshop, data, 1));
    const told = await eventually(
      async () => {
        const one = await order(next.url, '"k"');
        // As long as the dead one might live.
        if (one.code === 'IDEMPOTENCY_IN_FLIGHT' && performance.now() - killedAt < LEASE_MS + 5000)
          return undefined;
        return one;
      },
      { withinMs: 15_000, everyMs: 100 },
    );
    expect([told.status, told.code]).toEqual([409, 'IDEMPOTENCY_OUTCOME_UNKNOWN']);
    expect(workshop.executed()).toBe(1);
  });

  it('ends before its gateway leaves, and the next one repeats its answer', async () => {
    const workshop = await startWorkshop();
    const data = folder();
    const gateway = await startGateway(configOf(workshop, data, 2));
    const { first } = await underWay(workshop, gateway.url);
    gateway.signal('SIGTERM');
    setTimeout(() => workshop.release(), 300);
    expect((await first).status).toBe(201);
    expect(await gateway.exited).toBe(0);
    const next = await startGateway(configOf(workshop, data, 1));
    const told = await order(next.url, '"k"');
    expect([told.status, told.replayed]).toEqual([201, true]);
    expect(workshop.executed()).toBe(1);
  });

  it.each([1, 2])(
    'is followed to its end even when its client has left first (workers: %i)',
    async (workers) => {
      const workshop = await startWorkshop();
      const data = folder();
      const gateway = await startGateway(configOf(workshop, data, workers));
      const leaving = new AbortController();
      const { ended } = await underWay(workshop, gateway.url, leaving.signal);
      leaving.abort();
      await ended;
      gateway.signal('SIGTERM');
      setTimeout(() => workshop.release(), 500);
      expect(await gateway.exited).toBe(0);
      const next = await startGateway(configOf(workshop, data, 1));
      const told = await order(next.url, '"k"');
      expect([told.status, told.replayed]).toEqual([201, true]);
      expect(workshop.executed()).toBe(1);
    },
  );

  it('is known to another gateway on the same folder', async () => {
    const workshop = await startWorkshop();
    const data = folder();
    const one = await startGateway(configOf(workshop, data, 1));
    const other = await startGateway(configOf(workshop, data, 1));
    const { first } = await underWay(workshop, one.url);
    expect((await order(other.url, '"k"')).code).toBe('IDEMPOTENCY_IN_FLIGHT');
    workshop.release();
    await first;
    expect((await later(other.url, '"k"')).replayed).toBe(true);
    expect(workshop.executed()).toBe(1);
  });

  it('is known after a reload, and the filter can come and go', async () => {
    const workshop = await startWorkshop();
    const data = folder();
    const config = configOf(workshop, data, 2);
    const { idempotency: _, ...plain } = config.routes[0];
    const gateway = await startGateway({ ...config, routes: [plain] });
    await order(gateway.url, '"k"');
    gateway.write({
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      drain: { delay: 0, timeout: '5s' },
      ...config,
    });
    expect((await gateway.reload()).status).toBe(200);
    const before = workshop.executed();
    expect((await order(gateway.url, '"k"')).replayed).toBe(false);
    expect((await later(gateway.url, '"k"')).replayed).toBe(true);
    expect(workshop.executed()).toBe(before + 1);
  });
});
