/** A service that is the source of a channel: what primary and workers say to each other about it. */

/** Where a channel comes from: all that a worker must know to open it. */
export interface SourceSpec {
  readonly channel: string;
  readonly service: string;
  /** Path and query. */
  readonly target: string;
  readonly type: 'websocket' | 'sse';
  /** Flat: name, value …; for the service. */
  readonly headers: readonly string[];
  /** Silent for so long, it is given up. In milliseconds. */
  readonly idleMs: number;
  /** Of one message. */
  readonly maxBytes: number;
  /** Of the last event that came; empty: none has. */
  readonly lastId: string;
}

/** What a worker wants the primary to know, in order. */
export type SourceNews =
  /** `resumed`: nothing lies between what came before and what comes now. */
  | { readonly channel: string; readonly opened: true; readonly resumed: boolean }
  | { readonly channel: string; readonly lost: string }
  /** JSON text. `id`: of the event, empty where there is none. */
  | { readonly channel: string; readonly data: string; readonly id: string };
