/**
 * Whose is a slot? Keys fall into 65,536 slots, and each slot belongs to the candidate with the highest weighted score
 * for it (rendezvous hashing: Thaler and Ravishankar, 1998). A score depends on nobody else, so one that goes takes no other's
 * slots along, one that comes takes its share from all, and a changed weight moves only what it must. Owners are worked
 * out when first asked for, and remembered: choosing costs one step, however many candidates there are.
 */
import { areEqual, type Candidate } from '../balancer.js';
import { hashText, mix } from './mix.js';

const SLOT_BITS = 16;
const SLOTS = 1 << SLOT_BITS;
const STEP = 0x9e3779b1;

export class Rendezvous {
  #hashes = new Int32Array(0);
  /** null: all weigh the same. */
  #weights: Float64Array | null = null;
  /** Index of the owner, from 1; 0: not worked out. Made when first used. */
  #owners: Uint16Array | null = null;

  take(candidates: readonly Candidate[]): void {
    this.#hashes = Int32Array.from(candidates, ({ id }) => hashText(id));
    this.#weights = areEqual(candidates) ? null : Float64Array.from(candidates, ({ weight }) => weight);
    this.#owners?.fill(0);
  }

  /** Index of the candidate that owns the slot of a hash. There must be one. */
  owner(hash: number): number {
    this.#owners ??= new Uint16Array(SLOTS);
    const slot = hash >>> (32 - SLOT_BITS);
    const known = this.#owners[slot] as number;
    if (known !== 0) return known - 1;
    const found = this.#weights === null ? this.#highest(slot) : this.#soonest(slot, this.#weights);
    this.#owners[slot] = found + 1;
    return found;
  }

  #highest(slot: number): number {
    const hashes = this.#hashes;
    const salt = Math.imul(slot + 1, STEP);
    let best = 0;
    let highest = -1;
    for (let i = 0; i < hashes.length; i++) {
      const score = mix(mix((hashes[i] as number) ^ salt)) >>> 0;
      if (score > highest) {
        highest = score;
        best = i;
      }
    }
    return best;
  }

  /** The same score as a race: the time of each is exponential, its rate the weight; the first takes the slot. */
  #soonest(slot: number, weights: Float64Array): number {
    const hashes = this.#hashes;
    const salt = Math.imul(slot + 1, STEP);
    let best = 0;
    let soonest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < hashes.length; i++) {
      const score = mix(mix((hashes[i] as number) ^ salt)) >>> 0;
      const time = -Math.log((score + 0.5) / 2 ** 32) / (weights[i] as number);
      if (time < soonest) {
        soonest = time;
        best = i;
      }
    }
    return best;
  }
}
