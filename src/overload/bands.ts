/**
 * How much of each class is refused at which pressure: for signals that follow at once, or slowly by themselves. From the
 * first figure of a band on, some; from the second on, all. A fraction, not a switch: a class is let in again as it was
 * turned away, little by little, and all its clients do not come back in one moment.
 */

export interface Band {
  readonly from: number;
  readonly to: number;
  /** The most that is ever refused. */
  readonly most: number;
}

/**
 * By class, the lowest first. What a class may not fill is kept for those above it, and must have room for as many as come in
 * one turn of the event loop. The last band ends at the ceiling itself, which is never passed.
 */
export const IN_FLIGHT_BANDS: readonly Band[] = [
  { from: 0.5, to: 0.7, most: 1 },
  { from: 0.7, to: 0.85, most: 1 },
  { from: 0.95, to: 1, most: 1 },
];

/**
 * Narrower and later: memory stays in use when its work is done. One critical request in ten always passes, because what the
 * machine reports may be somebody else's memory.
 */
export const MEMORY_BANDS: readonly Band[] = [
  { from: 0.9, to: 0.94, most: 1 },
  { from: 0.94, to: 0.98, most: 1 },
  { from: 0.98, to: 1, most: 0.9 },
];

/** The part that is refused, 0 to 1. */
export function shareAt({ from, to, most }: Band, pressure: number): number {
  if (!(pressure > from)) return 0;
  return pressure >= to ? most : (most * (pressure - from)) / (to - from);
}

/** Pressure falls by less than this without being followed. */
const PLAY = 0.02;

/** Hysteresis: follows upwards at once, downwards with some play, so that a reading that trembles changes nothing. */
export class Held {
  value = 0;

  take(reading: number): number {
    if (reading > this.value) this.value = reading;
    else if (reading < this.value - PLAY) this.value = reading + PLAY;
    return this.value;
  }
}
