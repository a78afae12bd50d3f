/**
 * Lets an addon built against glibc 2.38 load where glibc is older (Debian 12: 2.36).
 *
 * What wants 2.38 in it are the C23 variants of `strtol`, `strtoul` and `strtoull`, to which newer headers
 * redirect every call. They differ from their namesakes only in that they also read a `0b` prefix when the base is
 * 0 or 2 (glibc 2.38 NEWS), so each can be bound to the old function: its name ends in the old one's.
 *
 * ELF structures: System V gABI chapter 4; symbol versions: LSB Core 5.0 §10.7.
 */

const NEEDED_VERSION = 'GLIBC_2.38';
const C23_PREFIX = '__isoc23_';
const REPLACEABLE = new Set(['__isoc23_strtol', '__isoc23_strtoul', '__isoc23_strtoull']);

/** By ELF machine: the version under which that architecture's first glibc exports the old functions. */
const BASE_VERSION = new Map([
  [62, 'GLIBC_2.2.5'], // x86-64
  [183, 'GLIBC_2.17'], // AArch64
]);

const SHT_DYNSYM = 11;
const SHT_GNU_VERNEED = 0x6ffffffe;
const SHT_GNU_VERSYM = 0x6fffffff;
const SYMBOL_BYTES = 24;
const VER_FLG_WEAK = 2;
const VERSION_INDEX_MASK = 0x7fff;

/** Whether loading failed for the one reason that {@link withoutGlibc238} cures. */
export function wantsGlibc238(error: unknown): boolean {
  return error instanceof Error && error.message.includes(`version \`${NEEDED_VERSION}' not found`);
}

/**
 * A copy of the shared object `image` that loads without GLIBC_2.38: the C23 symbols take their old names and
 * versions, and the need for 2.38 becomes weak, which the dynamic linker does not insist on. All other bytes stay.
 *
 * @throws Error when `image` is not such an object, or when anything but those symbols wants 2.38.
 */
export function withoutGlibc238(image: Uint8Array): Buffer {
  const elf = Buffer.from(image);
  if (elf.toString('latin1', 0, 6) !== '\x7fELF\x02\x01')
    throw new Error('not a 64-bit little-endian ELF file');

  const sections = readSections(elf);
  const symbols = sectionOfType(sections, SHT_DYNSYM);
  const versions = sectionOfType(sections, SHT_GNU_VERSYM);
  const names = sections[symbols.link]!.offset;
  const need = findNeed(elf, sections);

  for (let i = 0; i * SYMBOL_BYTES < symbols.size; i++) {
    const version = versions.offset + i * 2;
    if ((elf.readUInt16LE(version) & VERSION_INDEX_MASK) !== need.index) continue;
    const symbol = symbols.offset + i * SYMBOL_BYTES;
    const name = readName(elf, names, elf.readUInt32LE(symbol));
    if (!REPLACEABLE.has(name)) throw new Error(`${name} wants ${NEEDED_VERSION} and has no older equal`);
    elf.writeUInt32LE(elf.readUInt32LE(symbol) + C23_PREFIX.length, symbol);
    elf.writeUInt16LE(need.baseIndex, version);
  }
  elf.writeUInt16LE(elf.readUInt16LE(need.flagsOffset) | VER_FLG_WEAK, need.flagsOffset);
  return elf;
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** Index of the section that holds this one's names. */
  readonly link: number;
}

function readSections(elf: Buffer): Section[] {
  const start = Number(elf.readBigUInt64LE(0x28));
  const entryBytes = elf.readUInt16LE(0x3a);
  return Array.from({ length: elf.readUInt16LE(0x3c) }, (_, i) => {
    const header = start + i * entryBytes;
    return {
      type: elf.readUInt32LE(header + 4),
      offset: Number(elf.readBigUInt64LE(header + 24)),
      size: Number(elf.readBigUInt64LE(header + 32)),
      link: elf.readUInt32LE(header + 40),
    };
  });
}

function sectionOfType(sections: Section[], type: number): Section {
  const section = sections.find((s) => s.type === type);
  if (!section) throw new Error(`no ELF section of type 0x${type.toString(16)}`);
  return section;
}

/** Finds what libc is asked for: the index of 2.38 in the symbols' versions, of the base version, and 2.38's flags. */
function findNeed(
  elf: Buffer,
  sections: Section[],
): { index: number; baseIndex: number; flagsOffset: number } {
  const needs = sectionOfType(sections, SHT_GNU_VERNEED);
  const names = sections[needs.link]!.offset;
  const base = BASE_VERSION.get(elf.readUInt16LE(18));

  for (let library = needs.offset, next = -1; next !== 0; library += next) {
    next = elf.readUInt32LE(library + 12);
    let wanted = -1;
    let baseIndex = -1;
    for (let version = library + elf.readUInt32LE(library + 8), step = -1; step !== 0; version += step) {
      step = elf.readUInt32LE(version + 12);
      const name = readName(elf, names, elf.readUInt32LE(version + 8));
      if (name === NEEDED_VERSION) wanted = version;
      if (name === base) baseIndex = elf.readUInt16LE(version + 6);
    }
    if (wanted === -1) continue;
    if (baseIndex === -1)
      throw new Error(`asks for ${NEEDED_VERSION} but not for ${base ?? 'a known base version'}`);
    return { index: elf.readUInt16LE(wanted + 6), baseIndex, flagsOffset: wanted + 4 };
  }
  throw new Error(`does not ask for ${NEEDED_VERSION}`);
}

function readName(elf: Buffer, table: number, offset: number): string {
  const start = table + offset;
  return elf.toString('latin1', start, elf.indexOf(0, start));
}
