/** A gateway with more to do than it may: who is refused, how, and how fast the others are. */
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { startService } from '../harness/service.ts';

const CEILING = 40;

/** `/slow` answers when the test lets it, everything else at once. */
async function premises(
  overload: Record<string, unknown> | null = { inFlight: CEILING, loopDelay: 'off', memory: 'off' },
) {
  const held: (() => void)[] = [];
  const service = await startService((incoming, response) => {
    if (!incoming.url?.startsWith('/slow')) return void response.end('now');
    held.push(() => response.end('later'));
  });
  const route = (name: string, more: Record<string, unknown>) => ({
    name,
    match: { path: `/${name}/*` },
    service: 'all',
    rewrite: { prefix: '/' },
    ...more,
  });
  const config = {
    services: { all: { endpoints: [service.url], connections: { max: 500 } } },
    defaults: { priority: 'background' },
    routes: [
      route('reports', {}),
      route('usual', { priority: 'normal' }),
      route('orders', { priority: 'critical' }),
    ],
    ...(overload !== null && { overload }),
  };
  const gateway = await startGateway(config);
  const release = () => {
    for (const answer of held.splice(0)) answer();
  };
  return { gateway, service, held, release, config };
}

interface Answer {
  status: number;
  ms: number;
  retryAfter: string | undefined;
  body: string;
}

function ask(gateway: RunningGateway, path: string, body = ''): Promise<Answer> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, gateway.url), { method: body === '' ? 'GET' : 'POST' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      answer.once('end', () => {
        const { 'retry-after': retryAfter } = answer.headers;
        resolve({
          status: answer.statusCode ?? 0,
          ms: performance.now() - startedAt,
          retryAfter,
          body: text,
        });
      });
    });
    sent.once('error', reject).end(body);
  });
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** A hundred critical requests, one after the other. */
async function critical(gateway: RunningGateway) {
  const answers: Answer[] = [];
  for (let i = 0; i < 100; i++) answers.push(await ask(gateway, '/orders/now'));
  return { statuses: new Set(answers.map(({ status }) => status)), ms: median(answers.map(({ ms }) => ms)) };
}

describe('above the ceiling', () => {
  it('background requests get 503 and when to come back, critical ones are served as before; then all are again', async () => {
    const { gateway, held, release } = await premises();
    await critical(gateway); // warms up
    const calm = await critical(gateway);
    // Twice as many as there is room for: of 40 places this class gets 20 to 28.
    const background = Array.from({ length: 2 * CEILING }, () => ask(gateway, '/reports/slow'));
    await eventually(async () => (await pressure(gateway)) >= 0.49);
    const loaded = await critical(gateway);
    expect(loaded.statuses).toEqual(new Set([200]));
    // Both on a machine that does other things too: what counts is that nothing waits behind the slow ones.
    expect(loaded.ms).toBeLessThan(4 * calm.ms + 5);
    expect(held.length).toBeGreaterThanOrEqual(0.5 * CEILING);
    expect(held.length).toBeLessThanOrEqual(0.7 * CEILING);

    const { body: metrics } = await gateway.ask('/metrics');
    const shed = Number(
      /sluice_overload_shed_total\{priority="background",signal="inFlight"\} (\d+)/.exec(metrics)?.[1],
    );
    expect(shed).toBe(2 * CEILING - held.length);
    expect(metrics).toContain('sluice_overload_shed_total{priority="critical",signal="inFlight"} 0');
    expect(metrics).toMatch(/sluice_failures_total\{route="reports",code="OVERLOADED",blame="gateway"\} \d+/);
    expect((await gateway.ask('/readyz')).status).toBe(200);
    const { body } = await gateway.ask('/workers');
    expect(body.workers[0].overload).toEqual({
      pressure: { inFlight: held.length / CEILING },
      refusing: { critical: 0, normal: 0, background: expect.any(Number) },
    });

    release();
    const answers = await Promise.all(background);
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused).toHaveLength(shed);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2 * CEILING - shed);
    for (const { retryAfter, body } of refused) {
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
      expect(Number(retryAfter)).toBeLessThanOrEqual(5);
      expect(JSON.parse(body)).toMatchObject({ code: 'OVERLOADED', status: 503 });
    }
    expect((await ask(gateway, '/reports/now')).status).toBe(200);

    const begun = await gateway.logged(({ msg }) => msg === 'overload: shedding begins');
    expect(begun).toMatchObject({ priority: 'background', signal: 'inFlight', inFlightCeiling: CEILING });
    const ended = await gateway.logged(({ msg }) => msg === 'overload: shedding has ended', 15_000);
    expect(ended).toMatchObject({ priority: 'background', refused: shed });
    expect(gateway.log.filter(({ msg }) => msg.startsWith('overload:'))).toHaveLength(2);
  });

  it('a refused request with a body leaves its connection usable', async () => {
    const { gateway, held, release } = await premises({ inFlight: 1, loopDelay: 'off', memory: 'off' });
    const first = ask(gateway, '/orders/slow');
    await eventually(() => held.length === 1);
    const refused = await ask(gateway, '/usual/now', 'x'.repeat(10_000));
    expect(refused.status).toBe(503);
    release();
    expect((await first).status).toBe(200);
    expect((await ask(gateway, '/usual/now', 'x'.repeat(10_000))).status).toBe(200);
  });

  it('a reload sheds nothing, changes the ceilings, and takes them away', async () => {
    const { gateway, held, release, config } = await premises();
    const waiting = Array.from({ length: 20 }, () => ask(gateway, '/reports/slow'));
    await eventually(() => held.length === 20);
    gateway.write({ ...config, overload: { inFlight: 20, memory: 'off' } });
    expect((await gateway.reload()).status).toBe(200);
    expect((await ask(gateway, '/reports/now')).status).toBe(503);
    expect((await ask(gateway, '/orders/now')).status).toBe(503);
    gateway.write({ ...config, overload: undefined });
    expect((await gateway.reload()).status).toBe(200);
    expect((await ask(gateway, '/reports/now')).status).toBe(200);
    release();
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]));
  });
});

async function pressure(gateway: RunningGateway): Promise<number> {
  const { body } = await gateway.ask('/metrics');
  return Number(/sluice_overload_pressure\{worker="1",signal="inFlight"\} (\S+)/.exec(body)?.[1]);
}
