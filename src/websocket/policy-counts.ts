/** What the rules of a route have done to its sockets since the report before. */
export class PolicyCounts {
  /** Messages that were left out, because a newer one of the same key took their place. */
  conflated = 0;
  /** How often a client became too slow, and what was done: its service was not read, the latest messages were kept. */
  pausing = 0;
  conflating = 0;
  /** Sockets that were closed because the client was too slow. */
  closing = 0;
  /** Messages of clients that were held back for a while. */
  delayed = 0;
  /** Messages of clients that were dropped, or ended the socket: too many, of the wrong kind, too many pings. */
  overRate = 0;
  unfit = 0;
  pings = 0;

  /** What has been counted; from zero again. null: nothing. */
  take(): PolicyCounts | null {
    let any = false;
    const taken = new PolicyCounts();
    for (const name of POLICY_COUNTS) {
      any ||= this[name] > 0;
      taken[name] = this[name];
      this[name] = 0;
    }
    return any ? taken : null;
  }
}

export type PolicyCount = Exclude<keyof PolicyCounts, 'take'>;

export const POLICY_COUNTS = Object.keys(new PolicyCounts()) as readonly PolicyCount[];
