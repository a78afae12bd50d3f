/** Gateways on several machines: a real Redis between them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../harness/redis.ts';
import { later, order, startWorkshop, type Told, type Workshop } from './workshop.ts';

const DUPLICATES = 2000;

async function newRedis(): Promise<RunningRedis> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return redis;
}

async function startMachine(name: string, workshop: Workshop, redis: RunningRedis): Promise<RunningGateway> {
  return await startGateway({
    redis: redis.url,
    services: { shop: { endpoints: [workshop.url] } },
    routes: [
      {
        name: 'do',
        match: { path: '/do' },
        service: 'shop',
        idempotency: true,
        headers: { request: { set: { 'x-machine': name } } },
      },
    ],
  });
}

const underWay = (workshop: Workshop) => eventually(() => workshop.executed() === 1, { withinMs: 10_000 });

/** Once nobody takes the first one for alive any more. */
async function settled(url: string): Promise<Told> {
  return await eventually(
    async () => {
      const told = await order(url, '"k"').catch(() => undefined);
      return told === undefined || told.code === 'IDEMPOTENCY_IN_FLIGHT' ? undefined : told;
    },
    { withinMs: 15_000, everyMs: 100 },
  );
}

describe('three gateways', () => {
  it(`send one of ${DUPLICATES} duplicates, even when the gateway that has sent it is killed`, async () => {
    const [workshop, redis] = [await startWorkshop(), await newRedis()];
    const machines = await Promise.all(['0', '1', '2'].map((name) => startMachine(name, workshop, redis)));
    workshop.hold();
    const told: Told[] = [];
    let failed = 0;
    const duplicates = Array.from({ length: DUPLICATES }, async (_, i) => {
      try {
        told.push(await order(machines[i % 3].url, '"k"'));
      } catch {
        failed++;
      }
    });
    await underWay(workshop);
    const busy = Number(workshop.requests[0].headers['x-machine']);
    machines[busy].signal('SIGKILL');
    await Promise.all(duplicates);
    workshop.release();
    expect(failed).toBeGreaterThan(0); // the first, and who asked the dead one
    expect(new Set(told.map(({ code }) => code))).toEqual(new Set(['IDEMPOTENCY_IN_FLIGHT']));
    const others = machines.filter((_, i) => i !== busy);
    expect((await settled(others[0].url)).code).toBe('IDEMPOTENCY_OUTCOME_UNKNOWN');
    expect((await order(others[1].url, '"k"')).code).toBe('IDEMPOTENCY_OUTCOME_UNKNOWN');
    expect(workshop.executed()).toBe(1);
  }, 40_000);

  it('repeat the answer that another one got, also when a third is killed', async () => {
    const [workshop, redis] = [await startWorkshop(), await newRedis()];
    const machines = await Promise.all(['0', '1', '2'].map((name) => startMachine(name, workshop, redis)));
    workshop.hold();
    const first = order(machines[0].url, '"k"', { body: 'caf\u00e9' });
    await underWay(workshop);
    machines[2].signal('SIGKILL');
    const early = await Promise.all(
      Array.from({ length: 100 }, (_, i) => order(machines[i % 2].url, '"k"', { body: 'caf\u00e9' })),
    );
    expect(new Set(early.map(({ code }) => code))).toEqual(new Set(['IDEMPOTENCY_IN_FLIGHT']));
    workshop.release();
    const answer = await first;
    const late = await later(machines[1].url, '"k"', { body: 'caf\u00e9' });
    expect([late.replayed, late.text]).toEqual([true, answer.text]);
    expect(late.headers.getSetCookie()).toEqual(answer.headers.getSetCookie());
    expect((await order(machines[1].url, '"k"')).code).toBe('IDEMPOTENCY_KEY_REUSED');
    expect(workshop.executed()).toBe(1);
  }, 40_000);
});

describe('when Redis is away', () => {
  it('requests with a key get 503 and are not sent; others go on; all is well when it is back', async () => {
    const [workshop, redis] = [await startWorkshop(), await newRedis()];
    const gateway = await startMachine('0', workshop, redis);
    await redis.kill();
    for (let i = 0; i < 3; i++) {
      const told = await order(gateway.url, '"k"');
      expect([told.status, told.code]).toEqual([503, 'IDEMPOTENCY_UNAVAILABLE']);
      expect(told.headers.get('retry-after')).toBe('1');
    }
    expect(workshop.executed()).toBe(0);
    expect((await order(gateway.url, null)).status).toBe(201);
    await gateway.logged((line) => line.msg.startsWith('idempotency keys cannot be claimed'));
    await redis.restart();
    // It has lost everything: until it is clear what was under way, nothing is given out.
    const told = await eventually(
      async () => {
        const one = await order(gateway.url, '"k"');
        return one.status === 503 ? undefined : one;
      },
      { withinMs: 15_000, everyMs: 100 },
    );
    expect([told.status, told.replayed]).toEqual([201, false]);
    expect(workshop.executed()).toBe(2);
    await gateway.logged(({ msg }) => msg === 'idempotency keys can be claimed again');
    const lines = gateway.log
      .filter(({ msg }) => /^idempotency keys can/.test(msg))
      .map(({ level }) => level);
    expect(lines).toEqual(['warn', 'info']);
  }, 40_000);

  it('a gateway starts, and serves what needs no key', async () => {
    const [workshop, redis] = [await startWorkshop(), await newRedis()];
    await redis.kill();
    const gateway = await startMachine('0', workshop, redis);
    expect((await order(gateway.url, null)).status).toBe(201);
    expect((await order(gateway.url, '"k"')).status).toBe(503);
  });

  it('what was under way is not sent again, though Redis comes back empty', async () => {
    const [workshop, redis] = [await startWorkshop(), await newRedis()];
    const busy = await startMachine('0', workshop, redis);
    const other = await startMachine('1', workshop, redis);
    workshop.hold();
    const first = order(busy.url, '"k"');
    await underWay(workshop);
    await redis.restart();
    const codes = new Set<string>();
    const until = performance.now() + 3000;
    while (performance.now() < until) {
      codes.add((await order(other.url, '"k"')).code);
      await sleep(20);
    }
    expect([...codes].filter((code) => !/UNAVAILABLE|IN_FLIGHT/.test(code))).toEqual([]);
    workshop.release();
    const answer = await first;
    expect(answer.status).toBe(201);
    const late = await later(other.url, '"k"');
    expect([late.replayed, late.text]).toEqual([true, answer.text]);
    expect(workshop.executed()).toBe(1);
  }, 40_000);

  it('an answer that came meanwhile is kept until it can be written', async () => {
    const [workshop, redis] = [await startWorkshop(), await newRedis()];
    const [busy, other] = [
      await startMachine('0', workshop, redis),
      await startMachine('1', workshop, redis),
    ];
    workshop.hold();
    const first = order(busy.url, '"k"');
    await underWay(workshop);
    redis.pause();
    workshop.release();
    expect((await first).status).toBe(201);
    // The one that has the answer needs nobody to repeat it; the other cannot know.
    expect((await later(busy.url, '"k"')).replayed).toBe(true);
    redis.resume();
    const late = await eventually(
      async () => {
        const told = await order(other.url, '"k"');
        return told.replayed ? told : undefined;
      },
      { withinMs: 10_000, everyMs: 50 },
    );
    expect(late.status).toBe(201);
    expect(workshop.executed()).toBe(1);
  }, 40_000);
});
