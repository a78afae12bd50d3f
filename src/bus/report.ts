/** What a worker says of itself. */
import type { MetricsDelta } from '../observe/metrics.js';
import type { ResilienceDelta } from '../observe/resilience/service-stats.js';
import type { OverloadReport } from '../overload/overload.js';
import type { DecisionCounts } from '../services/authz/decision.js';
import type { ProviderCounts } from '../services/identity.js';
import type { LimitCounts } from '../services/limit-keeper.js';
import type { AdaptiveCounts } from '../services/limits/adaptive/watch.js';
import type { WaitCounts } from '../services/limits/queue/limit-queue.js';
import type { QuotaNote } from '../services/limits/quotas/notes.js';
import type { ChannelCounts } from '../websocket/channels/keeper.js';
import type { SocketReport } from '../websocket/keeper.js';

/** A worker's counters since its report before, and its state now. */
export interface WorkerReport {
  routes: MetricsDelta;
  /** Retries, hedges, fallbacks and bulkheads. */
  resilience: ResilienceDelta;
  connections: number;
  inFlight: number;
  generation: number;
  residentBytes: number;
  heapUsedBytes: number;
  /** Log lines lost since the process began, because nobody took them from its standard output, or not fast enough. */
  droppedLogLines: number;
  /** What each provider of identities has done. */
  providers: ReadonlyMap<string, ProviderCounts>;
  /** What each external decision point has said. */
  decisions: ReadonlyMap<string, DecisionCounts>;
  /** What each limit has decided. */
  limits: LimitCounts;
  /** What there is to tell of quotas: first requests of a period, and keys that come near their end. */
  quotas: readonly QuotaNote[];
  /** What WebSockets have done; null: there were none. */
  sockets: SocketReport | null;
  /** What clients of channels have done; null: there were none. */
  channels: ChannelCounts | null;
  /** Who waits for limits, and how waits ended, by limit. */
  waits: ReadonlyMap<string, WaitCounts>;
  /** What adaptive limits have decided about keys. */
  adaptive: ReadonlyMap<string, AdaptiveCounts>;
  /** Under which pressure it is, and what it has refused for it; null: there are no ceilings. */
  overload: OverloadReport | null;
  /** API keys that were used since, and when last: milliseconds since 1970, by the key's id. */
  keysUsed: ReadonlyMap<string, number>;
  /** Sessions that were used since: the hashes they are stored under. */
  sessionsSeen: readonly string[];
  /** How late the event loop's timers fired in the last 15 to 30 seconds. */
  eventLoopDelayMs: { p50: number; p99: number; max: number };
}
