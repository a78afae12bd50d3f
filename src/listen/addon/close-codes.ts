/**
 * Makes the listener's addon read all close codes that may be sent (RFC 6455 §7.4): as it comes, it takes 1012 to 1014 and 3000 to
 * 3999 from a client for a broken frame, and the code and the reason are lost. Its check is a subtraction and a comparison with
 * the bounds of what it refuses, 1012 to 3999; they become 1015 to 2999. See docs/decisions/0026.
 */

const REFUSED = { from: 1012, count: 4000 - 1012 };
const INVALID = { from: 1015, count: 3000 - 1015 };

/** Once for what is read in one piece and once for what is not, with TLS and without. */
const PLACES = 4;

const EM_X86_64 = 62;
const EM_AARCH64 = 183;

/** A copy of the shared object `image`; null: the check is not in it as it is known. */
export function withAllCloseCodes(image: Buffer): Buffer | null {
  const copy = Buffer.from(image);
  const machine = copy.length < 20 ? 0 : copy.readUInt16LE(18);
  if (machine === EM_X86_64) return rewriteX64(copy);
  if (machine === EM_AARCH64) return rewriteArm64(copy);
  return null;
}

function rewriteX64(image: Buffer): Buffer | null {
  const known = x64(REFUSED);
  const places: number[] = [];
  for (let at = image.indexOf(known); at !== -1; at = image.indexOf(known, at + 1)) places.push(at);
  if (places.length !== PLACES) return null;
  for (const at of places) image.set(x64(INVALID), at);
  return image;
}

/** The end of `lea eax, [code - from]`, `movzx eax, ax`, `cmp eax, count`. */
function x64({ from, count }: typeof REFUSED): Buffer {
  const bytes = Buffer.from([0, 0, 0, 0, 0x0f, 0xb7, 0xc0, 0x3d, 0, 0, 0, 0]);
  bytes.writeInt32LE(-from, 0);
  bytes.writeInt32LE(count, 8);
  return bytes;
}

/** `sub w, code, from`, `and w, w, 0xffff`, `cmp w, count`: twelve bits of the first and of the last are the number. */
const SUB = 0x51000000;
const AND_FFFF = 0x12003c00;
const CMP = 0x7100001f;
const IMMEDIATE_AT = 10;
const IMMEDIATE = 0xfff << IMMEDIATE_AT;
const REGISTERS = 0x3ff;
const SOURCE_REGISTER = 0x1f << 5;

function rewriteArm64(image: Buffer): Buffer | null {
  const comparison = CMP | (REFUSED.count << IMMEDIATE_AT);
  // Its upper half has no register in it, so that the search is not ours.
  const half = Buffer.from([(comparison >>> 16) & 0xff, comparison >>> 24]);
  const places: number[] = [];
  for (let found = image.indexOf(half); found !== -1; found = image.indexOf(half, found + 1)) {
    const at = found - 2 - 8;
    if (at % 4 === 0 && at >= 0 && isCheck(image, at, comparison)) places.push(at);
  }
  if (places.length !== PLACES) return null;
  for (const at of places) {
    writeImmediate(image, at, INVALID.from);
    writeImmediate(image, at + 8, INVALID.count);
  }
  return image;
}

function isCheck(image: Buffer, at: number, comparison: number): boolean {
  return (
    (image.readInt32LE(at) & ~REGISTERS) === (SUB | (REFUSED.from << IMMEDIATE_AT)) &&
    (image.readInt32LE(at + 4) & ~REGISTERS) === AND_FFFF &&
    (image.readInt32LE(at + 8) & ~SOURCE_REGISTER) === comparison
  );
}

function writeImmediate(image: Buffer, at: number, value: number): void {
  image.writeInt32LE((image.readInt32LE(at) & ~IMMEDIATE) | (value << IMMEDIATE_AT), at);
}
