/**
 * What an API key looks like: `sluice_<env>_<id>_<secret>`. A scanner finds one in a text by its prefix, a person sees
 * what it is for, and its last six characters, a checksum, tell a typo from a key that is not known.
 */
import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 12;
const SECRET_LENGTH = 32;
/** 62^6 is more than 2^32. */
const CHECKSUM_LENGTH = 6;
/** The largest multiple of 62 in a byte: what is above would make the first digits likelier. */
const FAIR = 248;

const FORM = /^sluice_[a-z0-9]{1,16}_([0-9A-Za-z]{12})_[0-9A-Za-z]{32}$/;
const LONGEST = 'sluice_'.length + 16 + 1 + ID_LENGTH + 1 + SECRET_LENGTH;

/** What stands between the prefix and the id: `live`, `test`. */
export const ENV_FORM = /^[a-z0-9]{1,16}$/;

export function newKeyId(): string {
  return randomDigits(ID_LENGTH);
}

/** A whole key with a new secret: 154 random bits. */
export function newKey(env: string, id: string): string {
  const checked = `sluice_${env}_${id}_${randomDigits(SECRET_LENGTH - CHECKSUM_LENGTH)}`;
  return checked + checksumOf(checked);
}

/** The id in what may be a key; null when it does not even look like one. */
export function keyIdIn(text: string): string | null {
  return text.length > LONGEST ? null : (FORM.exec(text)?.[1] ?? null);
}

/** Of something that looks like a key: whether it was typed right. */
export function hasRightChecksum(key: string): boolean {
  return checksumOf(key.slice(0, -CHECKSUM_LENGTH)) === key.slice(-CHECKSUM_LENGTH);
}

/** All that is stored of a key. A plain hash does: nobody guesses 154 bits. */
export function hashOf(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = DIGITS[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

function randomDigits(count: number): string {
  let digits = '';
  while (digits.length < count) {
    for (const byte of randomBytes(count - digits.length)) {
      if (byte < FAIR) digits += DIGITS[byte % 62];
    }
  }
  return digits;
}
