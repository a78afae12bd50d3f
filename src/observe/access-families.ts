/** Metrics about callers: who they are, and how much of it. */
import type { Family } from './family.js';

export const accessFamilies: readonly Family[] = [
  {
    name: 'sluice_auth_total',
    type: 'counter',
    help: 'Credentials judged, by provider, result (accepted, refused) and why they were refused.',
    labels: ['provider', 'result', 'reason'],
    *samples({ totals }) {
      for (const [provider, { accepted, refused }] of totals.providers) {
        yield { labels: { provider, result: 'accepted', reason: '' }, value: accepted };
        for (const [reason, value] of refused)
          yield { labels: { provider, result: 'refused', reason }, value };
      }
    },
  },
  {
    name: 'sluice_auth_cache_total',
    type: 'counter',
    help: 'Credentials looked up in the cache of those verified before, by provider and result (hit, miss).',
    labels: ['provider', 'result'],
    *samples({ totals }) {
      for (const [provider, { cacheHits, cacheMisses }] of totals.providers) {
        yield { labels: { provider, result: 'hit' }, value: cacheHits };
        yield { labels: { provider, result: 'miss' }, value: cacheMisses };
      }
    },
  },
  {
    name: 'sluice_auth_decisions_total',
    type: 'counter',
    help: 'What external decision points said, by decision point and result: allowed, denied, failed (no usable answer), remembered (an earlier answer held).',
    labels: ['decision', 'result'],
    *samples({ totals }) {
      for (const [decision, { allowed, denied, failed, cacheHits }] of totals.decisions) {
        const results = { allowed, denied, failed, remembered: cacheHits };
        for (const [result, value] of Object.entries(results)) yield { labels: { decision, result }, value };
      }
    },
  },
  {
    name: 'sluice_limit_total',
    type: 'counter',
    help: 'Requests under each limit by result: admitted, refused (429, for this limit), shadowed (on trial: would have been refused), no_room (the table was full).',
    labels: ['limit', 'result'],
    *samples({ totals }) {
      for (const [limit, { noRoom, ...counts }] of totals.limits) {
        const results = { ...counts, no_room: noRoom };
        for (const [result, value] of Object.entries(results)) yield { labels: { limit, result }, value };
      }
    },
  },
  {
    name: 'sluice_idempotency_total',
    type: 'counter',
    help: 'Requests with an idempotency key by result. Sent: executed, not_kept (the answer was too large), released (nothing was done), unknown. Not sent: replayed, in_flight, reused (another request has the key), refused_unknown, refused_not_kept, unavailable.',
    labels: ['result'],
    *samples(facts) {
      for (const [result, value] of facts.idempotency().counts()) yield { labels: { result }, value };
    },
  },
  {
    name: 'sluice_limit_adaptive_total',
    type: 'counter',
    help: 'Decisions about keys by adaptive limits: throttled, kept (its time was over, but it is still far off its past), released. On trial nothing is refused for them.',
    labels: ['limit', 'decision'],
    *samples({ totals }) {
      for (const [limit, decisions] of totals.adaptive) {
        for (const [decision, value] of Object.entries(decisions))
          yield { labels: { limit, decision }, value };
      }
    },
  },
  {
    name: 'sluice_quota_threshold_total',
    type: 'counter',
    help: 'Keys that passed the share of a quota that `warnAt` names, once per key and period, by limit.',
    labels: ['limit'],
    *samples(facts) {
      for (const [limit, value] of facts.quotas()?.thresholds.counts ?? [])
        yield { labels: { limit }, value };
    },
  },
  {
    name: 'sluice_auth_keys_age_seconds',
    type: 'gauge',
    help: 'Time since the keys of the issuer were last fetched, by provider.',
    labels: ['provider'],
    *samples(facts) {
      for (const [provider, value] of facts.keyAges()) yield { labels: { provider }, value };
    },
  },
];
