/** Who is on a channel, and services that are the source of one: what primary and workers say to each other about them. */
import type { PresenceNews, PresencePage, PresenceTold } from '../services/channels/presence.js';
import type { SourceNews, SourceSpec } from '../services/channels/sources.js';

/** `life`: of the process, which may have had another one under its number. */
interface From {
  readonly worker: number;
  readonly life: string;
}

export type Attend =
  /** Who comes and goes, in order. */
  | { readonly told: readonly PresenceTold[] }
  /** The worker is to hold the source of a channel, or no longer. */
  | { readonly open: SourceSpec }
  | { readonly close: string };

/** What the primary asks of a worker. */
export interface AttendanceCalls {
  attend: [Attend, void];
}

/** What a worker asks of the primary. */
export interface AttendanceAsks {
  /** The answer says that it was taken. */
  presenceNews: [From & { news: readonly PresenceNews[] }, void];
  members: [{ channel: string; after: string; limit: number }, PresencePage];
  sourceNews: [From & { news: readonly SourceNews[] }, void];
}
