import type { Member } from './balancer.js';
import { weightOf } from './failover.js';

export interface ZoneOptions {
  /** Where this gateway stands. */
  readonly zone: string;
  /** Of the zone's weight at least this share must be available for all requests to stay; 0..1. */
  readonly spillBelow: number;
}

/**
 * What each available member weighs here: those of the own zone get everything as long as enough of them are available, then
 * less and less, in step with what is missing. Members of weight 0 are left out.
 */
export function preferZone(
  all: readonly Member[],
  available: readonly Member[],
  { zone, spillBelow }: ZoneOptions,
): readonly Member[] {
  const own = available.filter((member) => member.zone === zone);
  if (own.length === 0 || own.length === available.length) return available;
  const left = weightOf(own) / weightOf(all.filter((member) => member.zone === zone));
  if (left >= spillBelow) return own;
  const share = left / spillBelow;
  const ofOwn = share / weightOf(own);
  const ofOthers = (1 - share) / (weightOf(available) - weightOf(own));
  return available.map((member) => ({
    ...member,
    weight: member.weight * (member.zone === zone ? ofOwn : ofOthers),
  }));
}
