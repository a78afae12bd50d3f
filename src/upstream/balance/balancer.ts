/** Which endpoint is next: what a balancer is, and what its policies are made of. */
import type { Exchange } from '../../exchange.js';
import type { Endpoint } from '../endpoint.js';
import type { RosterEntry } from './roster.js';

/** One of those to choose from. */
export interface Member extends RosterEntry {
  readonly endpoint: Endpoint;
}

/** Chooses the endpoint of the next attempt. It stays when the endpoints change, and knows where it was. */
export interface Balancer {
  /** From now on these. */
  take(members: readonly Member[]): void;
  /** `not` failed just now: take another if there is one. null: none is available. */
  pick(x: Exchange, not: Endpoint | null): Endpoint | null;
}

/** A member that may be chosen at the moment. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly slot: number;
  readonly id: string;
  /** Its share relative to the others, greater than 0: not always a whole number. */
  readonly weight: number;
}

/** How one of the candidates is chosen: all of them are available. */
export interface Policy {
  take(candidates: readonly Candidate[]): void;
  /** As for `Balancer`; null only without candidates. */
  pick(x: Exchange, not: Endpoint | null): Endpoint | null;
}

/** Whether all have the same weight: then none needs to be looked at. */
export function areEqual(candidates: readonly Candidate[]): boolean {
  return candidates.every(({ weight }) => weight === candidates[0]?.weight);
}

/** For the rare case that a policy's own way leads to `not` again and again. */
export function anyBut(
  not: Endpoint | null,
  candidates: readonly Candidate[],
  from: number,
): Endpoint | null {
  const { length } = candidates;
  for (let i = 0; i < length; i++) {
    const { endpoint } = candidates[(from + i) % length] as Candidate;
    if (endpoint !== not) return endpoint;
  }
  return length === 0 ? null : not;
}
