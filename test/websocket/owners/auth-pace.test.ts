/** How often new credentials may be shown. */
import { expect, it } from 'vitest';
import { AuthPace } from '../../../src/websocket/owners/auth-pace.ts';

const MINUTE_MS = 60_000;

function takenOf(count: number, everyMs: number, waiting: number): number {
  const pace = new AuthPace(0);
  let taken = 0;
  while (taken < count && pace.take(taken * everyMs, waiting)) taken++;
  return taken;
}

it('is as often as a client renews them, for ever, and no flood', () => {
  expect(takenOf(2_000, 1000, 0)).toBe(2_000);
  expect(takenOf(2_000, 0, 0)).toBe(20);
});

it('is less often while something waits for the client: it may not read the answers', () => {
  expect(takenOf(2_000, MINUTE_MS, 1)).toBe(2_000);
  expect(takenOf(2_000, 1000, 1)).toBeLessThan(110);
});
