/** Hashes of 32 bits, the same in all processes, on all machines and in all times: no seed. */

const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Spreads every bit over all bits (the finaliser of MurmurHash3). */
export function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Of a text: FNV-1a over its code units, then mixed. Another `basis` gives another hash. */
export function hashText(text: string, basis = FNV_BASIS): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), FNV_PRIME);
  return mix(h ^ text.length);
}
