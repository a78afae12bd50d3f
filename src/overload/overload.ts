/** Overload of the gateway itself: which routes matter most, and by what it is noticed. */
import type { Stage } from '../pipeline.js';

/** The lowest class first: in this order they are refused. */
export const PRIORITIES = ['background', 'normal', 'critical'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Place in `PRIORITIES`. */
export const BACKGROUND = 0;
export const NORMAL = 1;
export const CRITICAL = 2;

export const SIGNALS = ['loopDelay', 'inFlight', 'memory'] as const;
export type Signal = (typeof SIGNALS)[number];

/** Place in `SIGNALS`. */
export const LOOP_DELAY = 0;
export const IN_FLIGHT = 1;
export const MEMORY = 2;

/** What a filter may ask for. */
export interface Overload {
  /** Refuses requests of this class when the gateway has too much to do; null: nobody has set a ceiling. */
  stage(priority: Priority): Stage | null;
}

/** What a worker says of itself once per second. */
export interface OverloadReport {
  /** By signal: reading by ceiling, 1 at the ceiling; only those that have one. */
  readonly pressure: Readonly<Partial<Record<Signal, number>>>;
  /** By class: the part of its requests that is refused now, 0 to 1. */
  readonly refusing: Readonly<Record<Priority, number>>;
  /** Refused since the last report: `priority * SIGNALS.length + signal`. */
  readonly shed: Float64Array;
}

export const SHED_SLOTS = PRIORITIES.length * SIGNALS.length;

/** For configurations without ceilings. */
export const NO_OVERLOAD: Overload = {
  stage: () => null,
};
