/**
 * Whose is a slot? Keys fall into 65,536 slots, and each slot belongs to the candidate with the best weighted score
 * for it (rendezvous hashing: Thaler and Ravishankar, 1998). A score depends on nobody else, so one that goes takes no other's
 * slots along, one that comes takes its share from all, and a changed weight moves only what it must. Owners are worked
 * out when first asked for, and remembered: choosing costs one step, however many candidates there are.
 */
import { areEqual, type Candidate } from '../balancer.js';
import { hashText, mix } from './mix.js';

const SLOT_BITS = 16;
const SLOTS = 1 << SLOT_BITS;
const STEP = 0x9e3779b1;
/** For the second half of a candidate's hash: with 32 bits alone two of some thousands may well be alike. */
const OTHER_BASIS = 0x2f0b4c47;
/** Among so few an owner is worked out faster than it is carried over. */
const FEW = 32;
const MOST_RIVALS = 8;

interface Field {
  readonly ids: readonly string[];
  readonly hashes: Int32Array;
  readonly others: Int32Array;
  readonly weights: Float64Array;
  readonly equal: boolean;
}

export class Rendezvous {
  #field: Field = fieldOf([]);
  /** Index of the owner, from 1; 0: not worked out. Made when first used. */
  #owners: Uint16Array | null = null;

  take(candidates: readonly Candidate[]): void {
    const before = this.#field;
    this.#field = fieldOf(candidates);
    if (this.#owners !== null) carryOver(this.#owners, before, this.#field);
  }

  /** Index of the candidate that owns the slot of a hash. There must be one. */
  owner(hash: number): number {
    this.#owners ??= new Uint16Array(SLOTS);
    const slot = hash >>> (32 - SLOT_BITS);
    const known = this.#owners[slot] as number;
    if (known !== 0) return known - 1;
    const field = this.#field;
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < field.ids.length; i++) {
      const distance = distanceOf(field, slot, i);
      if (distance >= least) continue;
      least = distance;
      best = i;
    }
    this.#owners[slot] = best + 1;
    return best;
  }
}

function fieldOf(candidates: readonly Candidate[]): Field {
  return {
    ids: candidates.map(({ id }) => id),
    hashes: Int32Array.from(candidates, ({ id }) => hashText(id)),
    others: Int32Array.from(candidates, ({ id }) => hashText(id, OTHER_BASIS)),
    weights: Float64Array.from(candidates, ({ weight }) => weight),
    equal: areEqual(candidates),
  };
}

/** The least one owns the slot. */
function distanceOf({ hashes, others, weights, equal }: Field, slot: number, index: number): number {
  const first = mix((hashes[index] as number) ^ Math.imul(slot + 1, STEP));
  const score = mix(first ^ (others[index] as number)) >>> 0;
  // A race: the time of each is exponential, its rate the weight. With equal weights the order is that of the scores.
  return equal ? score : -Math.log1p(-(score + 0.5) / 2 ** 32) / (weights[index] as number);
}

/**
 * Owners stay, but for slots whose owner has gone or lost weight, which are worked out again, and for those that one who has come
 * or gained weight takes over. One endpoint of a thousand that comes and goes would otherwise cost all that is known.
 */
function carryOver(owners: Uint16Array, before: Field, after: Field): void {
  const former = new Map(before.ids.map((id, i) => [id, i]));
  const rivals: number[] = [];
  /** By former index: the index now, from 1; 0: gone or lighter. */
  const now = new Uint16Array(before.ids.length);
  for (const [i, id] of after.ids.entries()) {
    const was = former.get(id);
    const gained = was === undefined ? 1 : (after.weights[i] as number) - (before.weights[was] as number);
    if (gained > 0) rivals.push(i);
    if (was !== undefined && gained >= 0) now[was] = i + 1;
  }
  if (after.ids.length <= FEW || rivals.length > MOST_RIVALS) {
    owners.fill(0);
    return;
  }
  for (let slot = 0; slot < SLOTS; slot++) {
    const owner = owners[slot] as number;
    if (owner === 0) continue;
    const index = (now[owner - 1] as number) - 1;
    owners[slot] = index < 0 ? 0 : nearest(after, slot, index, rivals) + 1;
  }
}

function nearest(field: Field, slot: number, owner: number, rivals: readonly number[]): number {
  if (rivals.length === 0) return owner;
  let best = owner;
  let least = distanceOf(field, slot, owner);
  for (const rival of rivals) {
    const distance = distanceOf(field, slot, rival);
    if (distance >= least) continue;
    least = distance;
    best = rival;
  }
  return best;
}
