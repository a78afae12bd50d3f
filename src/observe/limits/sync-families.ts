import type { Family, GatewayFacts, Sample } from '../family.js';
import { ROUND_BUCKETS, type SyncCounts } from './sync-counts.js';

/** About limits that several machines share; without Redis there are none. */
export const syncFamilies: readonly Family[] = [
  one(
    'connected',
    'gauge',
    'Whether limits are shared with other machines (1), or this machine goes on with its share (0).',
    (c) => Number(c.connected),
  ),
  one(
    'machines',
    'gauge',
    'Machines that share limits, this one included, as far as this one knows.',
    (c) => c.machines,
  ),
  {
    name: 'sluice_limit_sync_round_seconds',
    type: 'histogram',
    help: 'How long Redis took for the rounds in which limits are shared.',
    labels: ['le'],
    *samples(facts): Iterable<Sample> {
      const counts = facts.limitSync?.();
      if (!counts) return;
      for (const [i, bound] of ROUND_BUCKETS.entries())
        yield { labels: { le: bound }, value: counts.buckets[i]!, suffix: '_bucket' };
      yield { labels: { le: '+Inf' }, value: counts.rounds, suffix: '_bucket' };
      yield { labels: {}, value: counts.seconds, suffix: '_sum' };
      yield { labels: {}, value: counts.rounds, suffix: '_count' };
    },
  },
  one('commands_total', 'counter', 'Commands sent to Redis for limits.', (c) => c.calls),
  one('keys_total', 'counter', 'Keys that Redis was asked about, in all rounds together.', (c) => c.keys),
  one('corrections_total', 'counter', 'Buckets that were changed by what Redis said.', (c) => c.corrections),
  one(
    'failures_total',
    'counter',
    'Rounds and heartbeats that Redis did not answer, or not well.',
    (c) => c.failures,
  ),
  one(
    'keys_followed',
    'gauge',
    'Keys that are in use, so that Redis is asked about them.',
    (c) => c.followed,
  ),
];

function one(
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  value: (counts: SyncCounts) => number,
): Family {
  return {
    name: `sluice_limit_sync_${name}`,
    type,
    help,
    labels: [],
    *samples(facts: GatewayFacts) {
      const counts = facts.limitSync?.();
      if (counts) yield { labels: {}, value: value(counts) };
    },
  };
}
