/** Makes the frames of a client, which are masked (RFC 6455 §5.3), each as one piece of memory: one write sends it. */
import { randomFillSync } from 'node:crypto';

const FIN = 0x80;
const MASKED = 0x80;
const MASK_BYTES = 4;
const SHORT = 125;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** From here on it pays to mask four bytes at a time. */
const WORDS_FROM_BYTES = 1024;

/** Masks must be unpredictable (§10.3): taken from here, and drawn anew when all are used. */
const masks = new Uint8Array(8192);
let masksUsed = masks.length;

/** The payload is copied. */
export function clientFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const start = (length <= SHORT ? 2 : length < 65_536 ? 4 : 10) + MASK_BYTES;
  const frame = length < WORDS_FROM_BYTES ? Buffer.allocUnsafe(start + length) : aligned(start, length);
  frame[0] = FIN | opcode;
  if (length <= SHORT) {
    frame[1] = MASKED | length;
  } else if (length < 65_536) {
    frame[1] = MASKED | LENGTH_16;
    frame[2] = length >>> 8;
    frame[3] = length & 0xff;
  } else {
    frame[1] = MASKED | LENGTH_64;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length % 2 ** 32, 6);
  }
  if (masksUsed === masks.length) {
    randomFillSync(masks);
    masksUsed = 0;
  }
  frame.set(payload, start);
  for (let i = start - MASK_BYTES; i < start; i++) frame[i] = masks[masksUsed++] as number;
  mask(frame, start);
  return frame;
}

/** Memory of its own, in which what comes after `start` bytes is on a boundary of words. */
function aligned(start: number, length: number): Buffer {
  const before = -start & 3;
  return Buffer.allocUnsafeSlow(before + start + length).subarray(before);
}

/** Everything behind the key, which is right before `start`. */
function mask(frame: Buffer, start: number): void {
  const from = frame.length - start < WORDS_FROM_BYTES ? start : maskWords(frame, start);
  const a = frame[start - 4] as number;
  const b = frame[start - 3] as number;
  const c = frame[start - 2] as number;
  const d = frame[start - 1] as number;
  const end = frame.length;
  let i = from;
  for (; i + 3 < end; i += 4) {
    frame[i] = (frame[i] as number) ^ a;
    frame[i + 1] = (frame[i + 1] as number) ^ b;
    frame[i + 2] = (frame[i + 2] as number) ^ c;
    frame[i + 3] = (frame[i + 3] as number) ^ d;
  }
  if (i < end) frame[i] = (frame[i] as number) ^ a;
  if (i + 1 < end) frame[i + 1] = (frame[i + 1] as number) ^ b;
  if (i + 2 < end) frame[i + 2] = (frame[i + 2] as number) ^ c;
}

const key = new Int32Array(1);
const keyBytes = new Uint8Array(key.buffer);

/** Four bytes at a time, where memory is aligned for that; the rest, from what it returns, begins with the key's first byte. */
function maskWords(frame: Buffer, start: number): number {
  // The frame is made so that its payload is: see `clientFrame`.
  const words = new Int32Array(frame.buffer, frame.byteOffset + start, (frame.length - start) >>> 2);
  keyBytes.set(frame.subarray(start - MASK_BYTES, start));
  const four = key[0] as number;
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ four;
  return start + words.length * 4;
}
