import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { canPin } from './proc.ts';

function distribution(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? type();
  } catch {
    return type();
  }
}

/** One line that says on what the figures were taken. */
export function describeMachine(): string {
  const cores = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const pinning = canPin ? '' : ', **cores not pinned** (needs `taskset` and two cores)';
  return (
    `${cores.length} x ${cores[0]?.model.trim()}, ${memory}, ${distribution()}, ` +
    `${type()} ${release()}, Node ${process.versions.node}${pinning}`
  );
}
