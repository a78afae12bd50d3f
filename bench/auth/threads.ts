/** CPU time of a process by the kind of its threads (Linux `/proc`). */
import { readdirSync, readFileSync } from 'node:fs';

export interface ThreadTimes {
  /** The thread that takes the requests. */
  main: number;
  /** Those of `node:worker_threads`, by the name Node 24 gives them: they verify. */
  verification: number;
  /** V8's own: compilation, collection. */
  rest: number;
}

/**
 * User + system time in microseconds. From `schedstat` and not `stat`, which has the same sum in ticks of 10 ms: by the
 * 6,000 requests of a round that would be 1.7 us each.
 */
export function threadMicros(pid: number): ThreadTimes {
  const times: ThreadTimes = { main: 0, verification: 0, rest: 0 };
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const read = (file: string): string => readFileSync(`/proc/${pid}/task/${tid}/${file}`, 'latin1').trim();
    try {
      const [ranNs] = read('schedstat').split(' ');
      const kind = Number(tid) === pid ? 'main' : read('comm') === 'WorkerThread' ? 'verification' : 'rest';
      times[kind] += Number(ranNs) / 1000;
    } catch {
      // Ended between the listing and the reading.
    }
  }
  return times;
}
