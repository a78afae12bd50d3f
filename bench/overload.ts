/**
 * What shedding is worth: critical requests at a quarter of what one worker carries, background requests on top until it is
 * offered twice as much, with and without ceilings: `npm run bench -- overload`. The routes do more work than usual (200 fields of
 * headers), so that the load, which shares a core with the service, is not what is overloaded.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TwoClassesResult } from './load/two-classes.ts';
import { GATEWAY_CORE, Launched, LOAD_CORE, launchNode, workspace } from './proc.ts';
import { type Bar, barTable, provenance, saveSections, table } from './report.ts';

const MAIN = new URL('../dist/main.js', import.meta.url);
const SECONDS = 4;
/** Loop delay is looked at from five seconds after the start on. */
const SETTLE_SECONDS = 5;
const FIELDS = 200;

const RUNS = [
  { name: 'alone, no background', overload: null, background: false },
  { name: 'no ceilings', overload: null, background: true },
  {
    name: '`loopDelay: 25ms`',
    overload: { loopDelay: '25ms', inFlight: 'off', memory: 'off' },
    background: true,
  },
  { name: '`inFlight: 256`', overload: { loopDelay: 'off', inFlight: 256, memory: 'off' }, background: true },
] as const;

async function startGateway(origin: string, overload: object | null) {
  const set = Object.fromEntries(
    Array.from({ length: FIELDS }, (_, i) => [
      `x-field-${i}`,
      '${request.method} ${request.path} ${request.host}',
    ]),
  );
  const route = (name: string) => ({
    name,
    match: { path: `/${name}/*` },
    service: 'bench',
    rewrite: { prefix: '/' },
    priority: name,
    headers: { request: { set } },
  });
  const config = {
    listen: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    accessLog: 'off',
    services: { bench: { endpoints: [origin], connections: { max: 4096 } } },
    routes: [route('critical'), route('background')],
    ...(overload !== null && { overload }),
  };
  const file = join(workspace(), 'sluice.yaml');
  writeFileSync(file, JSON.stringify(config));
  const command = [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', '1'];
  const child = new Launched('sluice', command, GATEWAY_CORE);
  const { url } = await child.ready();
  return { url, stop: () => child.stop() };
}

async function drive(url: string, critical: number, background: number, seconds: number) {
  const script = new URL('./load/two-classes.ts', import.meta.url);
  const args = [url, critical, background, seconds].map(String);
  const output = await launchNode('two classes', script, args, LOAD_CORE).finished();
  return JSON.parse(output) as TwoClassesResult;
}

/** Requests per second that one worker carries at this moment. */
async function capacity(plain: string): Promise<number> {
  const { background } = await drive(plain, 0, 8_000, 2);
  return background.perSecond;
}

/** Measures and records; false when the bar is missed. */
export async function runOverload(): Promise<boolean> {
  const service = launchNode('service', new URL('./service.ts', import.meta.url), [], LOAD_CORE);
  const { url: origin } = await service.ready();
  const plain = await startGateway(origin, null);
  await drive(plain.url, 0, 8_000, 1);
  const carried: number[] = [];
  const results = new Map<string, TwoClassesResult>();
  for (const { name, overload, background } of RUNS) {
    const gateway = await startGateway(origin, overload);
    // Anew for each run: what a machine carries changes with what else it does.
    const most = await capacity(plain.url);
    const critical = Math.round(most / 4);
    carried.push(Math.round(most));
    const rate = background ? Math.round(2 * most - critical) : 0;
    await drive(gateway.url, critical, rate / 4, SETTLE_SECONDS);
    results.set(name, await drive(gateway.url, critical, rate, SECONDS));
    await gateway.stop();
    console.log(name, JSON.stringify(results.get(name)));
  }
  await plain.stop();
  await service.stop();

  const rows = [...results].map(([name, { critical: c, background: b }], i) => {
    const of = (count: number, due: number) => (due === 0 ? '-' : `${((100 * count) / due).toFixed(1)} %`);
    return [
      name,
      String(carried[i]),
      milliseconds(c.p50Ms),
      milliseconds(c.p99Ms),
      of(c.answered, c.due),
      of(c.refused, c.due),
      of(b.answered, b.due),
      of(b.refused, b.due),
    ];
  });
  const shed = results.get('`loopDelay: 25ms`') as TwoClassesResult;
  const open = results.get('no ceilings') as TwoClassesResult;
  const ratio = (figure: 'p50Ms' | 'p99Ms') =>
    shed.critical[figure] / (open.critical[figure] ?? Number.POSITIVE_INFINITY);
  const bar: Bar = {
    what: 'critical requests at twice the load, `loopDelay: 25ms`',
    bar: 'none refused; p50 and p99 <= 1/3 of those without ceilings',
    measured: `${shed.critical.refused} refused, ${ratio('p50Ms').toFixed(2)} x, ${ratio('p99Ms').toFixed(2)} x`,
    met: shed.critical.refused === 0 && ratio('p50Ms') <= 1 / 3 && ratio('p99Ms') <= 1 / 3,
  };
  const text = `${provenance()} A quarter of what one worker carries is critical; background requests come on top, up to twice what it carries, which is measured before each run. Latency in milliseconds from when a request was due.`;
  const head = [
    '',
    'carried/s',
    'critical p50',
    'p99',
    'answered',
    'refused',
    'background answered',
    'refused',
  ];
  saveSections({ Overload: `${text}\n\n${table(head, rows)}\n\n${barTable([bar])}` });
  return bar.met;
}

/** JSON has no NaN: nothing was answered. */
function milliseconds(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}
