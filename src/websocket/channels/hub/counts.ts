/** What the hub of a worker has done. */

/** Counted since the last report; subscriptions and channels are those of now. */
export interface HubCounts {
  subscriptions: number;
  channels: number;
  /** Messages to clients. */
  delivered: number;
  /** Clients that did not keep up, and those that have caught up again. */
  behind: number;
  caughtUp: number;
  /** Times that a client was told that messages are lost to it. */
  gaps: number;
  /** Clients that came back with a position. */
  recovered: number;
  notRecovered: number;
}

export function noCounts(): HubCounts {
  return {
    subscriptions: 0,
    channels: 0,
    delivered: 0,
    behind: 0,
    caughtUp: 0,
    gaps: 0,
    recovered: 0,
    notRecovered: 0,
  };
}
