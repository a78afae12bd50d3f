/** Several gateways that share one Redis, each with clients of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { PacedLoad } from '../../harness/paced-load.ts';

export async function startGateways(
  count: number,
  limits: Record<string, unknown>,
  redis: unknown,
  more: Record<string, unknown> = {},
): Promise<RunningGateway[]> {
  const gateways: RunningGateway[] = [];
  // One after the other: at once they may be given the same free port.
  for (let i = 0; i < count; i++) {
    gateways.push(
      await startGateway({
        redis,
        limits,
        limiter: { keys: 10_000 },
        routes: Object.keys(limits).map((name) => ({
          name: name.toLowerCase(),
          match: { path: `/${name}` },
          limit: name,
          respond: { body: 'hi' },
        })),
        ...more,
      }),
    );
  }
  await eventually(
    async () => {
      const known = await Promise.all(gateways.map((one) => metricOf(one, 'sluice_limit_sync_machines')));
      return known.every((machines) => machines === count) || undefined;
    },
    { what: 'that all machines know each other', withinMs: 10_000 },
  );
  return gateways;
}

export async function metricOf(gateway: RunningGateway, name: string): Promise<number> {
  const { body } = await gateway.ask('/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body as string)?.[1] ?? Number.NaN);
}

export interface Crowd {
  readonly loads: readonly PacedLoad[];
  admitted(): number;
  sent(): number;
  others(): number[];
  latencies(): number[];
  stop(): Promise<void>;
}

/** `paces`: requests per second at each gateway. */
export function startCrowd(
  gateways: readonly RunningGateway[],
  path: string,
  paces: readonly number[],
): Crowd {
  const loads = gateways.map(({ url }, i) => new PacedLoad({ url, path, pace: paces[i]!, connections: 8 }));
  const sum = (of: (load: PacedLoad) => number) => loads.reduce((total, load) => total + of(load), 0);
  return {
    loads,
    admitted: () => sum((load) => load.count(200)),
    sent: () => sum((load) => load.sent),
    others: () => loads.flatMap((load) => load.others(200, 429)),
    latencies: () => loads.flatMap((load) => load.latencies).sort((a, b) => a - b),
    stop: async () => void (await Promise.all(loads.map((load) => load.stop()))),
  };
}

export interface Span {
  /** Admitted in this time, and how many seconds it really was. */
  readonly admitted: number;
  readonly seconds: number;
  readonly sent: number;
}

export async function during(crowd: Crowd, ms: number): Promise<Span> {
  const from = { at: performance.now(), admitted: crowd.admitted(), sent: crowd.sent() };
  await sleep(ms);
  const seconds = (performance.now() - from.at) / 1000;
  return { admitted: crowd.admitted() - from.admitted, sent: crowd.sent() - from.sent, seconds };
}
