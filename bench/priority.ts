/**
 * Real-time priority for what is measured by its tail. On a virtual machine the kernel's own daemons take the core for
 * milliseconds, a hundred times in a minute; who waits meanwhile is one request of a hundred, whatever the gateway does.
 */
import { execFileSync } from 'node:child_process';
import { probe } from './proc.ts';
import { family } from './readings.ts';

/** Whether it can be had: on Linux, by root. */
export const canHurry = probe('chrt', '--rr', '1', 'true') === '';

/** Who is measured, and whether it comes first on its core meanwhile. */
export interface Way {
  readonly url: string;
  /** null: there is no process but the service. */
  readonly pid: number | null;
  readonly first: boolean;
}

/** Runs `measure`, while all threads of the process and its children come first on their core if the way says so. */
export async function along<T>({ pid, first }: Way, measure: () => Promise<T>): Promise<T> {
  if (!first || pid === null) return await measure();
  schedule(pid, '--rr', '1');
  try {
    return await measure();
  } finally {
    schedule(pid, '--other', '0');
  }
}

function schedule(pid: number, policy: string, priority: string): void {
  for (const member of family(pid))
    execFileSync('chrt', ['--all-tasks', policy, '--pid', priority, String(member)]);
}
