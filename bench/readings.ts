/** What the kernel knows about a process and its descendants (Linux `/proc`, see proc(5)). */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** The fields of `/proc/PID/stat` after the name, which may itself contain spaces and brackets; null when gone. */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** The process and all its living descendants. */
export function family(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    const parent = /^\d+$/.test(entry) ? statFields(Number(entry))?.[1] : undefined;
    if (parent === undefined) continue;
    const siblings = children.get(Number(parent));
    if (siblings) siblings.push(Number(entry));
    else children.set(Number(parent), [Number(entry)]);
  }
  const found = [pid];
  for (const member of found) found.push(...(children.get(member) ?? []));
  return found;
}

/** CPU time, user + system, of all threads of the family, dead children included, in microseconds. */
export function cpuMicros(pid: number): number {
  let ticks = 0;
  for (const member of family(pid)) {
    const fields = statFields(member);
    // utime, stime, cutime, cstime
    if (fields) for (let i = 11; i <= 14; i++) ticks += Number(fields[i]);
  }
  return (ticks * 1e6) / TICKS_PER_SECOND;
}

/** Resident memory of the family, in bytes. Pages shared between processes count once for each. */
export function residentBytes(pid: number): number {
  let kib = 0;
  for (const member of family(pid)) {
    try {
      kib += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${member}/status`, 'latin1'))?.[1] ?? 0);
    } catch {
      // Ended between the listing and the reading.
    }
  }
  return kib * 1024;
}

/** Open sockets of the family, listeners included. */
export function openSockets(pid: number): number {
  let count = 0;
  for (const member of family(pid)) {
    for (const fd of readdirSync(`/proc/${member}/fd`)) {
      try {
        if (readlinkSync(`/proc/${member}/fd/${fd}`).startsWith('socket:')) count++;
      } catch {
        // Closed between the listing and the reading.
      }
    }
  }
  return count;
}
