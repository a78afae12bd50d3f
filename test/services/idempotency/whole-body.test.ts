import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Exchange, type RequestBody } from '../../../src/exchange.ts';
import { wholeBody } from '../../../src/services/idempotency/whole-body.ts';

function coming(length: number, received = 0) {
  const state = { onWhole: () => {} };
  const body = {
    ...{ length, received, complete: false, limit: 1000, whole: null, onTooLarge: null },
    collect: (then: () => void) => {
      state.onWhole = then;
    },
  } as unknown as { -readonly [K in keyof RequestBody]: RequestBody[K] };
  const x = Object.assign(new Exchange(0), { body });
  return { x, body, finish: () => state.onWhole() };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the whole body', () => {
  it('is there at once when there is none', () => {
    expect(wholeBody(new Exchange(0), 10)).toBe('whole');
  });

  it('is waited for as long as something comes, and leaves the bound of the route as it was', async () => {
    const { x, body, finish } = coming(-1);
    const collected = wholeBody(x, 100);
    expect(body.limit).toBe(100);
    for (let i = 0; i < 60; i++) {
      body.received++;
      await vi.advanceTimersByTimeAsync(1000);
    }
    finish();
    expect(await collected).toBe('whole');
    expect([body.limit, body.onTooLarge, vi.getTimerCount()]).toEqual([1000, null, 0]);
  });

  it('does not come when the client falls silent', async () => {
    const { x } = coming(50, 10);
    const collected = wholeBody(x, 100);
    await vi.advanceTimersByTimeAsync(8000);
    expect(await collected).toBe('stalled');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is too large by what is announced, what is there, and what comes', async () => {
    expect(wholeBody(coming(101).x, 100)).toBe('too large');
    expect(wholeBody(coming(-1, 101).x, 100)).toBe('too large');
    const { x, body } = coming(-1);
    const collected = wholeBody(x, 5000);
    expect(body.limit).toBe(1000);
    body.onTooLarge?.();
    expect(await collected).toBe('too large');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not looked for any more when the client has left', async () => {
    const { x } = coming(50);
    void wholeBody(x, 100);
    x.done = true;
    await vi.advanceTimersByTimeAsync(2000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
