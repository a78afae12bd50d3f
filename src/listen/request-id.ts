/**
 * Request ids: UUIDv7 (RFC 9562 §5.7). Within a millisecond they count (§6.2, method 1), so that they sort by time in
 * logs; what tells processes apart is random and new each millisecond.
 */
import { randomBytes } from 'node:crypto';

const COUNTS = 4096;
const COUNT_TEXT = Array.from({ length: COUNTS }, (_, count) => count.toString(16).padStart(3, '0'));

let millisecond = -1;
let count = 0;
/** What comes before and after the count. */
let before = '';
let after = '';

/** About 0.1 us. */
export function newRequestId(): string {
  const now = Date.now();
  if (now !== millisecond || count === COUNTS) begin(now);
  return before + COUNT_TEXT[count++] + after;
}

function begin(now: number): void {
  millisecond = now;
  // Half of the counts are left free, the start among the others is random (§6.2).
  const random = randomBytes(10);
  count = random.readUInt16BE(8) % (COUNTS / 2);
  const time = now.toString(16).padStart(12, '0');
  before = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  random[0] = (random[0] & 0x3f) | 0x80;
  const tail = random.toString('hex', 0, 8);
  after = `-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

/** What is taken over from a trusted peer: long enough for every format in use, nothing that could break a log line. */
const WELL_FORMED = /^[A-Za-z0-9._:=@/+-]{1,128}$/;

export function isRequestId(id: string): boolean {
  return WELL_FORMED.test(id);
}
