/**
 * Real-time priority for what is measured by its tail. On a virtual machine the kernel's own daemons take the core for
 * milliseconds, a hundred times in a minute; who waits meanwhile is one request of a hundred, whatever the gateway does.
 */
import { execFileSync } from 'node:child_process';
import type { Standing } from './contenders/contender.ts';
import { type Launched, probe } from './proc.ts';
import { family } from './readings.ts';

/** Whether it can be had: on Linux, by root. */
export const canHurry = probe('chrt', '--rr', '1', 'true') === '';

const FIRST = ', first on its core';
/** Behind the names of the ways that bars of p99 are judged by: the machine's own daemons do not count where that can be had. */
export const JUDGED = canHurry ? FIRST : '';

/** By which requests or messages go, and whether all who carry them come first on their cores meanwhile. */
export interface Way {
  readonly name: string;
  readonly url: string;
  /** Of the service, and of the gateway if there is one. */
  readonly pids: readonly number[];
  readonly first: boolean;
}

export function wayThrough(
  name: string,
  { url, pid }: Pick<Standing, 'url' | 'pid'>,
  service: number,
): Omit<Way, 'first'> {
  return { name, url, pids: pid === null ? [service] : [service, pid] };
}

/** Of each of these ways, once as it is and once first on its core, where that can be had. */
export function bothWays(ways: readonly Omit<Way, 'first'>[]): Way[] {
  const plain = ways.map((way) => ({ ...way, first: false }));
  const first = ways.map((way) => ({ ...way, name: way.name + FIRST, first: true }));
  return canHurry ? [...plain, ...first] : plain;
}

/** What the load prints. The load comes first, too, where the way does. */
export async function along({ pids, first }: Way, load: () => Launched): Promise<string> {
  if (!first) return await load().finished();
  const members = pids.flatMap(family);
  for (const member of members) schedule(member, '--rr', '1');
  try {
    const launched = load();
    schedule(launched.pid, '--rr', '1');
    return await launched.finished();
  } finally {
    for (const member of members) schedule(member, '--other', '0');
  }
}

/** The main thread only, which carries the traffic: V8's helpers must not compete with it. */
function schedule(pid: number, policy: string, priority: string): void {
  execFileSync('chrt', [policy, '--pid', priority, String(pid)]);
}
