import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { CLOCK_BYTES, MachineClock, startClock } from '../../src/shared/clock.ts';
import { createSegment } from '../../src/shared/segment.ts';

const HOUR = 3_600_000;
const WALL = Date.UTC(2026, 4, 17, 23, 30);

function clockAt(wall = WALL): MachineClock {
  const region = createSegment({ clock: CLOCK_BYTES }, { folders: [] }).region('clock');
  startClock(region, wall);
  return new MachineClock(region);
}

it('begins with zero and goes on in milliseconds and their parts', () => {
  const clock = clockAt();
  const first = clock.now();
  expect(first).toBeGreaterThanOrEqual(0);
  expect(first).toBeLessThan(1_000);
  const busyUntil = performance.now() + 2;
  while (performance.now() < busyUntil);
  expect(clock.now() - first).toBeGreaterThan(1.9);
});

it('reads the same in another process', () => {
  const segment = createSegment({ clock: CLOCK_BYTES });
  startClock(segment.region('clock'));
  const clock = new MachineClock(segment.region('clock'));
  const file = (name: string) => fileURLToPath(new URL(`../../src/shared/${name}.ts`, import.meta.url));
  const before = clock.now();
  const text = execFileSync(process.execPath, [
    '--import',
    new URL('./resolve-ts.ts', import.meta.url).href,
    '--input-type=module',
    '-e',
    `import { openSegment } from ${JSON.stringify(file('segment'))};
     import { MachineClock } from ${JSON.stringify(file('clock'))};
     console.log(new MachineClock(openSegment(${JSON.stringify(segment.path)}).region('clock')).now());`,
  ]);
  const after = clock.now();
  segment.close();
  expect(Number(text)).toBeGreaterThan(before);
  expect(Number(text)).toBeLessThan(after);
});

it.each([HOUR, -HOUR])(
  'the calendar does not follow a wall clock that jumps by %i ms, but slowly',
  (jump) => {
    const clock = clockAt();
    let now = 0;
    for (let second = 0; second < 600; second++) {
      now += 1_000;
      clock.follow(WALL + now + jump, now);
    }
    const moved = clock.calendar(now) - (WALL + now);
    expect(Math.abs(moved)).toBeLessThanOrEqual(6_000);
    expect(Math.sign(moved)).toBe(Math.sign(jump));
  },
);

it('the calendar follows a drift, and makes up for an hour in about four days', () => {
  const clock = clockAt();
  for (let now = 1_000; now <= 100_000; now += 1_000) clock.follow(WALL + now * 1.0001, now);
  expect(clock.calendar(100_000) - (WALL + 100_010)).toBeCloseTo(0, -1);
  let now = 100_000;
  while (Math.abs(clock.calendar(now) - (WALL + now + HOUR)) > 1) {
    now += 10_000;
    clock.follow(WALL + now + HOUR, now);
  }
  expect(now / 86_400_000).toBeGreaterThan(4);
  expect(now / 86_400_000).toBeLessThan(4.5);
});

it('a long time without following earns no large step', () => {
  const clock = clockAt();
  clock.follow(WALL + 24 * HOUR, 12 * HOUR);
  expect(clock.calendar(12 * HOUR) - (WALL + 12 * HOUR)).toBeLessThanOrEqual(100);
});
