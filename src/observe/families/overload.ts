/** Metrics about too much to do: docs/overload.md. */
import { PRIORITIES, SIGNALS } from '../../overload/overload.js';
import type { Family } from '../family.js';

export const overloadFamilies: readonly Family[] = [
  {
    name: 'sluice_overload_pressure',
    type: 'gauge',
    help: 'Reading by ceiling, by worker and signal (loopDelay, inFlight, memory): 1 is the ceiling.',
    labels: ['worker', 'signal'],
    *samples({ totals }) {
      for (const [worker, { overload }] of totals.workers) {
        for (const [signal, value] of Object.entries(overload?.pressure ?? {}))
          yield { labels: { worker, signal }, value };
      }
    },
  },
  {
    name: 'sluice_overload_refusing_ratio',
    type: 'gauge',
    help: 'Part of the requests of a class (critical, normal, background) that a worker refuses now, 0 to 1.',
    labels: ['worker', 'priority'],
    *samples({ totals }) {
      for (const [worker, { overload }] of totals.workers) {
        for (const [priority, value] of Object.entries(overload?.refusing ?? {}))
          yield { labels: { worker, priority }, value };
      }
    },
  },
  {
    name: 'sluice_overload_shed_total',
    type: 'counter',
    help: 'Requests refused with OVERLOADED, by class and the signal that weighed most.',
    labels: ['priority', 'signal'],
    *samples({ totals }) {
      for (const [slot, value] of totals.shed.entries()) {
        const priority = PRIORITIES[Math.floor(slot / SIGNALS.length)] as string;
        yield { labels: { priority, signal: SIGNALS[slot % SIGNALS.length] as string }, value };
      }
    },
  },
];
