/** What a segment begins with: which regions it has, and where. A process that opens it needs to know nothing else. */

/** Bytes of each region, by name: at most 20 ASCII characters. */
export type Layout = Readonly<Record<string, number>>;

/** A part of the segment, on a boundary of 64 bytes, zero at first. */
export interface Region {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** "SLUI". */
const MAGIC = 0x534c5549;
/** Raised with each change of what is stored where, so that an old worker never reads a new segment. */
const VERSION = 1;
/** Regions begin on a line of the processor's cache. */
const LINE = 64;
const HEADER_BYTES = 4096;
const HEADER_WORDS = 4;
const ENTRY_WORDS = 8;
const NAME_BYTES = 20;
const MOST_REGIONS = Math.floor((HEADER_BYTES / 4 - HEADER_WORDS) / ENTRY_WORDS);

/** Bytes of a segment with these regions. */
export function segmentBytes(layout: Layout): number {
  return Object.values(layout).reduce((sum, bytes) => sum + aligned(bytes), HEADER_BYTES);
}

/** Writes the directory of a segment that is all zeros. The magic number goes last: what has it is complete. */
export function writeDirectory(buffer: ArrayBuffer, layout: Layout): void {
  const regions = Object.entries(layout);
  if (regions.length > MOST_REGIONS) throw new Error(`more than ${MOST_REGIONS} regions`);
  const words = new Uint32Array(buffer, 0, HEADER_BYTES / 4);
  let offset = HEADER_BYTES;
  for (const [index, [name, bytes]] of regions.entries()) {
    if (!/^[\x21-\x7e]{1,20}$/.test(name)) throw new Error(`"${name}" is not the name of a region`);
    const entry = HEADER_WORDS + index * ENTRY_WORDS;
    new Uint8Array(buffer, entry * 4, NAME_BYTES).set(Buffer.from(name, 'latin1'));
    words[entry + 5] = offset / LINE;
    words[entry + 6] = bytes;
    offset += aligned(bytes);
  }
  words[1] = VERSION;
  words[2] = regions.length;
  words[3] = offset / LINE;
  Atomics.store(words, 0, MAGIC);
}

/** Throws when this is no complete segment of this version. */
export function readDirectory(buffer: ArrayBuffer): ReadonlyMap<string, Region> {
  const words = new Uint32Array(buffer, 0, HEADER_BYTES / 4);
  if (Atomics.load(words, 0) !== MAGIC) throw new Error('this is not a segment of Sluice');
  if (words[1] !== VERSION)
    throw new Error(`a segment of version ${words[1]}, where ${VERSION} is understood`);
  if ((words[3] as number) * LINE !== buffer.byteLength)
    throw new Error('the segment has another size than it says');
  const regions = new Map<string, Region>();
  for (let index = 0; index < (words[2] as number); index++) {
    const entry = HEADER_WORDS + index * ENTRY_WORDS;
    const name = Buffer.from(buffer, entry * 4, NAME_BYTES)
      .toString('latin1')
      .replace(/\0+$/, '');
    const offset = (words[entry + 5] as number) * LINE;
    regions.set(name, { buffer, offset, bytes: words[entry + 6] as number });
  }
  return regions;
}

export function wordsOf({ buffer, offset, bytes }: Region): Int32Array {
  return new Int32Array(buffer, offset, bytes / 4);
}

function aligned(bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % 8 !== 0 || bytes >= 2 ** 32) {
    throw new Error(`${bytes} is not a size for a region`);
  }
  return Math.ceil(bytes / LINE) * LINE;
}
