/** Metrics about what is done when a service fails, or is slow. */
import type { Family, Sample } from '../family.js';
import {
  BULKHEAD_REASONS,
  type BulkheadGauges,
  HEDGE_RESULTS,
  RETRY_REASONS,
  RETRY_RESULTS,
  SERVICE_SLOTS,
} from './service-stats.js';

export const resilienceFamilies: readonly Family[] = [
  {
    name: 'sluice_retries_total',
    type: 'counter',
    help: 'Retries by service, reason (connect, reset, timeout, status) and result: success, failed, or not made for want of budget or time (budget, no_time).',
    labels: ['service', 'reason', 'result'],
    *samples({ totals }) {
      for (const [service, counters] of totals.resilience.services) {
        for (const [i, reason] of RETRY_REASONS.entries()) {
          for (const [j, result] of RETRY_RESULTS.entries()) {
            const value = counters[SERVICE_SLOTS.retries + i * RETRY_RESULTS.length + j];
            if (value > 0) yield { labels: { service, reason, result }, value };
          }
        }
      }
    },
  },
  {
    name: 'sluice_hedges_total',
    type: 'counter',
    help: 'Second requests for answers that were late, by service and result: sent, won (of those sent), or not sent for want of budget.',
    labels: ['service', 'result'],
    *samples({ totals }) {
      for (const [service, counters] of totals.resilience.services) {
        for (const [i, result] of HEDGE_RESULTS.entries()) {
          const value = counters[SERVICE_SLOTS.hedges + i];
          if (value > 0) yield { labels: { service, result }, value };
        }
      }
    },
  },
  {
    name: 'sluice_fallbacks_total',
    type: 'counter',
    help: 'Requests answered otherwise because the service failed, by route and what took its place (service:NAME, static).',
    labels: ['route', 'to'],
    *samples({ totals }) {
      for (const { route, to, count } of totals.resilience.fallbacks.values())
        yield { labels: { route, to }, value: count };
    },
  },
  bulkhead('sluice_bulkhead_in_flight', 'Requests that hold a place of the service now.', (b) => b.inFlight),
  bulkhead('sluice_bulkhead_waiting', 'Requests that wait for a place of the service now.', (b) => b.waiting),
  bulkhead('sluice_bulkhead_limit', 'Places of the service now, in all workers.', (b) => b.limit),
  {
    name: 'sluice_bulkhead_rejected_total',
    type: 'counter',
    help: 'Requests that got no place, by service and reason: full (too many wait), late (waited for too long).',
    labels: ['service', 'reason'],
    *samples({ totals }) {
      for (const [service, counters] of totals.resilience.services) {
        for (const [i, reason] of BULKHEAD_REASONS.entries()) {
          const value = counters[SERVICE_SLOTS.rejected + i];
          if (value > 0) yield { labels: { service, reason }, value };
        }
      }
    },
  },
];

function bulkhead(name: string, help: string, value: (gauges: BulkheadGauges) => number): Family {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['service'],
    *samples({ totals }): Iterable<Sample> {
      for (const [service, gauges] of totals.resilience.bulkheads())
        yield { labels: { service }, value: value(gauges) };
    },
  };
}
