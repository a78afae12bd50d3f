/**
 * Real-time priority for what is measured by its tail. On a virtual machine the kernel's own daemons take the core for
 * milliseconds, a hundred times in a minute; who waits meanwhile is one request of a hundred, whatever the gateway does.
 */
import { execFileSync } from 'node:child_process';
import { probe } from './proc.ts';
import { family } from './readings.ts';

/** Whether it can be had: on Linux, by root. */
export const canHurry = probe('chrt', '--rr', '1', 'true') === '';

/** Runs `measure` while all threads of the process and its children come first on their core. */
export async function hurried<T>(pid: number, measure: () => Promise<T>): Promise<T> {
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
