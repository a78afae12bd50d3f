/**
 * Five gateways with one Redis: `npm run bench -- limits-sync [SECONDS]`. What all admit together of a limit, how much of Redis
 * that takes, and what clients notice when Redis is killed and started again. About three minutes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacedLoad } from '../../test/harness/paced-load.ts';
import { type RunningRedis, startRedis } from '../../test/harness/redis.ts';
import { GATEWAY_CORE, Launched, workspace } from '../proc.ts';
import { type Bar, barTable, provenance, saveSections, table } from '../report.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url);
const MACHINES = 5;
const RATE = 1000;
const UNEQUAL = [1000, 500, 300, 150, 50];
const AWAY_S = 10;
/** Until it is tried again a gateway may wait one and a half. */
const BACK_WITHIN_S = 2;
/** More than a request takes here, less than a stall. */
const STALL_MS = 5;
/** Part of the requests. */
const MORE_STALLS = 0.001;

interface Gateway {
  readonly process: Launched;
  readonly url: string;
  readonly admin: string;
}

async function startGateways(redis: string): Promise<Gateway[]> {
  const gateways: Gateway[] = [];
  for (let i = 0; i < MACHINES; i++) {
    const file = join(workspace(), 'sluice.yaml');
    const limits = {
      wide: { by: ['global'], rate: `${RATE}/s` },
      low: { by: ['global'], rate: '3/s' },
      away: { by: ['global'], rate: `${RATE}/s` },
    };
    const routes = Object.keys(limits).map((name) => ({
      name,
      match: { path: `/${name}` },
      limit: name,
      respond: { body: 'hi' },
    }));
    const where = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', accessLog: 'off', workers: 1 };
    writeFileSync(file, JSON.stringify({ ...where, redis, limits, routes }));
    const process_ = new Launched(
      'sluice',
      [process.execPath, MAIN.pathname, 'start', '-c', file],
      GATEWAY_CORE,
    );
    const { url, admin } = await process_.ready();
    gateways.push({ process: process_, url, admin: admin as string });
  }
  while (
    (await Promise.all(gateways.map((one) => metric(one, 'machines')))).some((known) => known !== MACHINES)
  )
    await sleep(100);
  return gateways;
}

async function metric({ admin }: Gateway, name: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  return Number(new RegExp(`^sluice_limit_sync_${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

interface Phase {
  readonly admitted: number;
  readonly sent: number;
  readonly seconds: number;
  readonly bad: number;
  readonly latencies: number[];
}

class Crowd {
  readonly #loads: PacedLoad[];
  readonly #startedAt = performance.now();

  constructor(gateways: readonly Gateway[], path: string, paces: readonly number[]) {
    this.#loads = gateways.map(
      ({ url }, i) => new PacedLoad({ url, path, pace: paces[i] as number, connections: 8 }),
    );
  }

  now(): Phase {
    const sum = (of: (load: PacedLoad) => number) => this.#loads.reduce((total, load) => total + of(load), 0);
    return {
      admitted: sum((load) => load.count(200)),
      sent: sum((load) => load.sent),
      seconds: (performance.now() - this.#startedAt) / 1000,
      bad: sum((load) =>
        [...load.statuses].reduce(
          (n, [status, count]) => n + (status === 200 || status === 429 ? 0 : count),
          0,
        ),
      ),
      latencies: this.#loads.flatMap((load) => load.latencies),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
  }
}

function between(from: Phase, to: Phase): Phase {
  return {
    admitted: to.admitted - from.admitted,
    sent: to.sent - from.sent,
    seconds: to.seconds - from.seconds,
    bad: to.bad - from.bad,
    latencies: [],
  };
}

async function processed({ client }: RunningRedis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
}

async function high(gateways: Gateway[], redis: RunningRedis, seconds: number, paces: readonly number[]) {
  // The bucket is empty and all have heard of the key before it is measured.
  const crowd = new Crowd(gateways, '/wide', paces);
  await sleep(5000);
  const sentBefore = await Promise.all(gateways.map((one) => metric(one, 'commands_total')));
  const runBefore = await processed(redis);
  const from = crowd.now();
  await sleep(seconds * 1000);
  const span = between(from, crowd.now());
  const whole = crowd.now();
  const runAfter = await processed(redis);
  const sentAfter = await Promise.all(gateways.map((one) => metric(one, 'commands_total')));
  await crowd.stop();
  const commands = sentAfter.reduce((sum, count, i) => sum + count - (sentBefore[i] as number), 0);
  return {
    rate: span.admitted / span.seconds,
    demand: span.sent / span.seconds,
    whole: whole.admitted / (RATE * whole.seconds + RATE),
    commands: commands / span.sent,
    processed: (runAfter - runBefore) / span.sent,
    bad: whole.bad,
  };
}

async function low(gateways: Gateway[], seconds: number, paces: readonly number[]) {
  await sleep(3000); // full again
  const crowd = new Crowd(gateways, '/low', paces);
  await sleep(seconds * 1000);
  const all = crowd.now();
  await crowd.stop();
  return all.admitted / all.seconds;
}

interface Loss {
  readonly away: Phase;
  readonly healed: Phase;
  readonly bad: number;
  /** Milliseconds, sorted. */
  readonly waits: readonly number[];
}

/**
 * What clients wait while a Redis comes and goes. Killing and starting a process disturbs a small machine by itself, so this is
 * measured with a Redis that nobody uses, too.
 */
async function killed(gateways: Gateway[], redis: RunningRedis): Promise<Loss> {
  const crowd = new Crowd(gateways, '/away', [400, 400, 400, 400, 400]);
  await sleep(5000);
  const quiet = crowd.now();
  await redis.kill();
  await sleep(AWAY_S * 1000);
  const away = crowd.now();
  await redis.restart();
  await sleep(BACK_WITHIN_S * 1000);
  const back = crowd.now();
  await sleep(3000);
  const after = crowd.now();
  await crowd.stop();
  // Not asked before: five gateways that put their metrics into words are what clients would wait for.
  const connected = await Promise.all(gateways.map((one) => metric(one, 'connected')));
  if (connected.includes(0)) throw new Error('a gateway has not found Redis again');
  return {
    away: between(quiet, away),
    healed: between(back, after),
    bad: after.bad,
    waits: after.latencies.toSorted((a, b) => a - b),
  };
}

const above = (waits: readonly number[]) => waits.filter((ms) => ms > STALL_MS).length / waits.length;

export async function runLimitsSync(seconds: number): Promise<boolean> {
  const redis = await startRedis();
  const bystander = await startRedis();
  const gateways = await startGateways(redis.url);
  try {
    const unequal = await high(gateways, redis, seconds, UNEQUAL);
    const equal = await high(gateways, redis, seconds / 2, [400, 400, 400, 400, 400]);
    const few = await low(gateways, seconds, [2, 2, 2, 2, 2]);
    const uneven = await low(gateways, seconds, [20, 5, 2, 1, 0.5]);
    const other = await killed(gateways, bystander);
    const loss = await killed(gateways, redis);
    const percent = (part: number) => `${(100 * part).toFixed(2)} %`;
    const perSecond = (rate: number) => `${rate.toFixed(2)}/s`;
    const bars: Bar[] = [];
    const bar = (what: string, wanted: string, measured: string, met: boolean) =>
      bars.push({ what, bar: wanted, measured, met });
    for (const [name, run] of Object.entries({ unequal, equal })) {
      const demand = `${name} demand (${run.demand.toFixed(0)}/s)`;
      bar(
        `1,000/s, ${demand}`,
        '980 to 1,010/s',
        perSecond(run.rate),
        run.rate >= 0.98 * RATE && run.rate <= 1.01 * RATE,
      );
      bar(
        `the same, from the first request, of rate × time + burst`,
        '<= 101 %',
        percent(run.whole),
        run.whole <= 1.01,
      );
      bar(
        `Redis commands sent per request, ${name} demand`,
        '<= 0.05',
        run.commands.toFixed(4),
        run.commands <= 0.05,
      );
    }
    bar('3/s, 2/s at each machine', '2.5 to 3.3/s', perSecond(few), few >= 2.5 && few <= 3.3);
    bar('3/s, 20 5 2 1 0.5/s', '2.5 to 3.3/s', perSecond(uneven), uneven >= 2.5 && uneven <= 3.3);
    const most = RATE * loss.away.seconds * (1 + 1 / MACHINES);
    bar('answers besides 200 and 429, Redis killed and restarted', '0', String(loss.bad), loss.bad === 0);
    bar(
      `admitted in ${loss.away.seconds.toFixed(0)} s without Redis`,
      `<= ${most.toFixed(0)}`,
      String(loss.away.admitted),
      loss.away.admitted <= most,
    );
    const extra = Math.max(0, above(loss.waits) - above(other.waits));
    bar(
      `requests above ${STALL_MS} ms, more than when a Redis of nobody's is killed and restarted`,
      `<= ${percent(MORE_STALLS)}`,
      percent(extra),
      extra <= MORE_STALLS,
    );
    const waits = table(
      ['killed and restarted', 'p50', 'p99', 'p99.9', 'max', `above ${STALL_MS} ms`],
      Object.entries({ "a Redis of nobody's": other.waits, 'that of the gateways': loss.waits }).map(
        ([name, all]) => [
          name,
          ...[0.5, 0.99, 0.999, 1].map(
            (part) => `${(all[Math.ceil((all.length - 1) * part)] as number).toFixed(2)} ms`,
          ),
          percent(above(all)),
        ],
      ),
    );
    const more = [
      `Commands that Redis itself counts, those inside the script included: ${unequal.processed.toFixed(3)} per request.`,
      `In the ${loss.healed.seconds.toFixed(1)} s after Redis was back: ${(loss.healed.admitted / loss.healed.seconds).toFixed(0)}/s.`,
    ].join('\n');
    saveSections({ 'Limits over machines': `${provenance()}\n\n${barTable(bars)}\n\n${waits}\n\n${more}` });
    return bars.every(({ met }) => met);
  } finally {
    await Promise.all(gateways.map((one) => one.process.stop()));
    await redis.stop();
    await bystander.stop();
  }
}
