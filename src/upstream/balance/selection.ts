/**
 * Which endpoints may be chosen at the moment, and with what weight; among them the policy chooses. All of that is worked
 * out when something has changed, which one word of the endpoint table tells: a pick compares it, and goes to the policy.
 */
import type { Exchange } from '../../exchange.js';
import { BROKEN, DRAINED, type EndpointTable } from '../../shared/endpoint-table.js';
import type { Endpoint } from '../endpoint.js';
import type { Balancer, Candidate, Member, Policy } from './balancer.js';
import { activeGroup } from './failover.js';
import { preferZone, type ZoneOptions } from './zones.js';

export interface SelectionOptions {
  readonly table: EndpointTable;
  readonly policy: Policy;
  /** Groups by priority, and the share of a group below which the next one is asked; null: there is one group. */
  readonly groups: { readonly below: number } | null;
  /** null: all zones are alike. */
  readonly zones: ZoneOptions | null;
  /** Milliseconds in which an endpoint that joins or comes back gets its full weight; 0: at once. */
  readonly slowStartMs: number;
  /** With less than this share available all are asked but those drained, and those whose breaker would refuse; 0: never. */
  readonly panicBelow: number;
}

/** A slow start begins with this share of the weight, and grows in so many steps. */
const LEAST_SHARE = 0.1;
const RAMP_STEPS = 50;
const SHORTEST_STEP_MS = 100;
/** Some reasons end with time, which an endpoint notices when it is asked: so often, while one is not available. */
const ASK_AGAIN_MS = 20;
/** Not even panic asks these: an operator has taken them out, or their breaker lets nothing through. */
const FIRMLY_OUT = DRAINED | BROKEN;

export class Selection implements Balancer {
  readonly #options: SelectionOptions;
  readonly #stepMs: number;
  #members: readonly Member[] = [];
  #candidates: readonly Candidate[] = [];
  /** `changes` of the table at the last look. */
  #seen = 0;
  /** When to look again without a change: weights grow, or some are not available; null: neither. */
  #dueAt: number | null = null;
  #panicking = false;

  constructor(options: SelectionOptions) {
    this.#options = options;
    this.#stepMs = Math.max(SHORTEST_STEP_MS, options.slowStartMs / RAMP_STEPS);
  }

  take(members: readonly Member[]): void {
    this.#members = members;
    this.#look();
  }

  pick(x: Exchange, not: Endpoint | null): Endpoint | null {
    this.#keepUp();
    return this.#options.policy.pick(x, not);
  }

  /** Whether a request that insists on this endpoint may go there. */
  admits(slot: number): boolean {
    this.#keepUp();
    const reasons = this.#options.table.reasons(slot);
    return this.#panicking ? (reasons & FIRMLY_OUT) === 0 : reasons === 0;
  }

  #keepUp(): void {
    const { table } = this.#options;
    if (table.changes !== this.#seen || (this.#dueAt !== null && table.now() >= this.#dueAt)) this.#look();
  }

  #look(): void {
    const { table, policy, groups, zones } = this.#options;
    // First: what changes while we look is looked at again.
    this.#seen = table.changes;
    this.#dueAt = null;
    const available = this.#available();
    const group = groups === null ? available : activeGroup(this.#members, available, groups.below);
    const candidates = this.#slowed(zones === null ? group : this.#near(group, zones));
    if (isSame(candidates, this.#candidates)) return;
    this.#candidates = candidates;
    policy.take(candidates);
  }

  #available(): readonly Member[] {
    const { table, panicBelow } = this.#options;
    const available = this.#members.filter(({ endpoint }) => endpoint.available);
    this.#panicking = false;
    if (available.length === this.#members.length) return available;
    this.#dueAt = table.now() + ASK_AGAIN_MS;
    if (panicBelow === 0) return available;
    const undrained = this.#members.filter(({ slot }) => (table.reasons(slot) & DRAINED) === 0);
    if (available.length >= undrained.length * panicBelow) return available;
    this.#panicking = true;
    return undrained.filter(({ slot }) => (table.reasons(slot) & BROKEN) === 0);
  }

  /** The zone is short when others of the same group would be there. */
  #near(group: readonly Member[], zones: ZoneOptions): readonly Member[] {
    if (this.#options.groups === null) return preferZone(this.#members, group, zones);
    const priorities = new Set(group.map(({ priority }) => priority));
    return preferZone(
      this.#members.filter(({ priority }) => priorities.has(priority)),
      group,
      zones,
    );
  }

  #slowed(members: readonly Member[]): readonly Candidate[] {
    const { table, slowStartMs } = this.#options;
    if (slowStartMs === 0) return members;
    let ramping = false;
    const slowed = members.map((member) => {
      const since = table.sinceStart(member.slot);
      if (since >= slowStartMs) return member;
      ramping = true;
      // In steps, so that a look between two of them changes nothing.
      const share = (Math.floor(since / this.#stepMs) * this.#stepMs) / slowStartMs;
      return { ...member, weight: member.weight * Math.max(LEAST_SHARE, share) };
    });
    if (!ramping) return members;
    this.#dueAt ??= table.now() + this.#stepMs;
    return slowed;
  }
}

function isSame(some: readonly Candidate[], others: readonly Candidate[]): boolean {
  if (some.length !== others.length) return false;
  return some.every(({ endpoint, weight }, i) => {
    const other = others[i] as Candidate;
    return endpoint === other.endpoint && weight === other.weight;
  });
}
