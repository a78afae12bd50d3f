/** What sockets cost that say nothing: how many bytes of the gateway's memory, and whether all of them are let in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startSluice } from '../contenders/sluice.ts';
import { type Launched, LOAD_CORE, launchNode, workspace } from '../proc.ts';
import { family, residentBytes } from '../readings.ts';
import { type Bar, table } from '../report.ts';
import type { IdleReady } from './idle.ts';

/** A process may have 20,000 descriptors where nobody has raised that; a pair takes two in the gateway. */
const WORKERS = 3;
const LOADS = 2;
const RATE = 1_000;
const WARM_UP = 300;
/** A gateway that is left alone tidies up after eight seconds or so. */
const SETTLE_MS = 20_000;
const LIMIT_BYTES = 16 * 1024;
const MANY = 50_000;

const SERVICE = new URL('./service.ts', import.meta.url);
const IDLE = new URL('./idle.ts', import.meta.url);

async function open(url: string, count: number, rate: number, first: number): Promise<[Launched, IdleReady]> {
  const load = launchNode('idle sockets', IDLE, [url, String(count), String(rate), String(first)], LOAD_CORE);
  // As long as it takes, and it says how long that was.
  return [load, (await load.ready(120_000)) as unknown as IdleReady];
}

async function openSockets(admin: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  let sum = 0;
  for (const [, count] of text.matchAll(/^sluice_websockets_open\{[^}]*\} (\S+)$/gm)) sum += Number(count);
  return sum;
}

export async function idlePairs(count: number): Promise<{ bars: Bar[]; text: string }> {
  const services = Array.from({ length: LOADS }, () => launchNode('service', SERVICE, [], LOAD_CORE));
  const origins = await Promise.all(services.map(async (service) => (await service.ready()).url));
  const gateway = await startSluice(origins.join(', '), workspace(), {
    route: 'websocket: true',
    workers: WORKERS,
  });
  // What runs for the first time is compiled, which is not what a socket costs.
  const [warmUp] = await open(gateway.url, WARM_UP, WARM_UP, 1);
  await warmUp.stop();
  await sleep(SETTLE_MS / 2);
  const before = residentBytes(gateway.pid);

  const share = count / LOADS;
  const loads = await Promise.all(
    Array.from({ length: LOADS }, (_, i) => open(gateway.url, share, RATE / LOADS, 2 + i)),
  );
  const loaded = residentBytes(gateway.pid);
  await sleep(SETTLE_MS);
  const settled = residentBytes(gateway.pid);
  const still = await openSockets(gateway.admin);
  const workers = family(gateway.pid).length - 1;

  await Promise.all(loads.map(([load]) => load.stop()));
  await gateway.stop();
  await Promise.all(services.map((service) => service.stop()));

  const failed = loads.reduce((sum, [, { failed }]) => sum + failed, 0);
  const seconds = Math.max(...loads.map(([, result]) => result.seconds));
  const slowestMs = Math.max(...loads.map(([, result]) => result.slowestMs));
  const why = loads.map(([, result]) => result.why).find((text) => text !== '') ?? '';
  const pair = (settled - before) / count;
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return {
    bars: [
      {
        what: `resident memory per proxied pair, ${count} idle sockets`,
        bar: '<= 16 KiB',
        measured: `${kib(pair)} (${MANY} sockets: ${mib(before + pair * MANY)})`,
        met: pair <= LIMIT_BYTES,
      },
      {
        what: `handshakes at ${RATE}/s`,
        bar: 'none fails',
        measured: `${failed} of ${count} failed${why && ` (${why})`}, ${still} open at the end`,
        met: failed === 0 && still === count,
      },
    ],
    text: `${count} idle sockets in ${seconds.toFixed(1)} s (slowest handshake ${slowestMs.toFixed(0)} ms), ${workers} workers.\n\n${table(
      ['resident, all processes', '', 'per pair'],
      [
        ['before', mib(before), ''],
        ['with the last handshake', mib(loaded), kib((loaded - before) / count)],
        [`${SETTLE_MS / 1000} s later`, mib(settled), kib(pair)],
      ],
    )}`,
  };
}
