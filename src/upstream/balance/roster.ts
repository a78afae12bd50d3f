/** What a service's endpoints are at the moment: known to the primary, which tells the workers of each change. */

/** One endpoint, as the file, the environment, DNS or a registry knows it. */
export interface Discovered {
  /** Tells it from the others of its service; the URL where the source has no other name. */
  readonly id: string;
  /** Origin: scheme, host and port. */
  readonly url: string;
  /** Share of the requests, relative to the others: 1 to 1000. */
  readonly weight: number;
  /** Where it stands; empty: not said. */
  readonly zone: string;
  /** Groups for failover: 0 is asked first. */
  readonly priority: number;
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface RosterEntry extends Discovered {
  /** Where its shared state lies in the endpoint table: the same in all processes as long as it is in the roster. */
  readonly slot: number;
}

export interface Roster {
  readonly service: string;
  /** Grows with each change of any roster. */
  readonly version: number;
  /** Where the service's own shared state lies. */
  readonly slot: number;
  readonly entries: readonly RosterEntry[];
}
