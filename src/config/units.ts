import { z } from 'zod';

/** Milliseconds in each unit a duration may carry. */
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Bytes in each unit a size may carry; the `i` makes it a power of 1024 (IEC 80000-13). */
const SIZE_UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  kB: 1_000,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};

const DURATION = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)$/;
const SIZE = /^(\d+(?:\.\d+)?) ?(|B|kB|KB|MB|GB|KiB|MiB|GiB)$/;
const RATIO = /^(\d+(?:\.\d+)?) ?%$/;

/** 24 days: timers of Node take up to 2^31 - 1 ms, which is a little more. */
const LONGEST_TIMER_MS = 576 * 3_600_000;

/** Bounds are inclusive and in the unit the option normalises to: milliseconds, bytes. */
interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/**
 * A duration: `250ms`, `5s`, `2m`, `1h`. Output: milliseconds, a whole number.
 * With `off: true` the texts `0` and `off` are taken too and give 0.
 */
export function duration(bounds: Bounds & { readonly off?: boolean } = {}) {
  const { off = false, min = 0, max = LONGEST_TIMER_MS } = bounds;
  const expected = `a duration such as 250ms, 5s, 2m or 1h${off ? ', or off' : ''}`;
  return z
    .union([z.string(), z.literal(0)], { error: expected })
    .transform((value, context) => {
      if (value === 0 || value === '0' || value === 'off') {
        if (off || (value !== 'off' && min === 0)) return 0;
        return reject(context, `${value} is not allowed here`, expected);
      }
      const parts = DURATION.exec(value);
      if (parts === null) return reject(context, `"${value}" is not a duration`, expected);
      const ms = Math.round(Number(parts[1]) * (DURATION_UNITS[parts[2] as string] as number));
      if (ms === 0 && !off && Number(parts[1]) > 0)
        return reject(context, `${value} is too short`, 'at least 1ms');
      return within(context, ms, value, min, max, formatDuration);
    })
    .meta({ title: 'duration', pattern: off ? `${DURATION.source}|^0$|^off$` : `${DURATION.source}|^0$` });
}

/** A size: `64KiB`, `1MiB`, `10MB`, or a plain number of bytes. Output: bytes, a whole number. */
export function size(bounds: Bounds = {}) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
  const expected = 'a size such as 64KiB, 1MiB, 10MB or a number of bytes';
  return z
    .union([z.string(), z.number()], { error: expected })
    .transform((value, context) => {
      const parts = SIZE.exec(String(value));
      if (parts === null) return reject(context, `"${value}" is not a size`, expected);
      const bytes = Math.round(Number(parts[1]) * (SIZE_UNITS[parts[2] as string] as number));
      return within(context, bytes, value, min, max, formatSize);
    })
    .meta({ title: 'size', pattern: SIZE.source });
}

/** A share of the whole: `10%`, or a number from 0 to 1. Output: 0..1. */
export function ratio() {
  const expected = 'a share such as 10%, or a number from 0 to 1';
  return z
    .union([z.string(), z.number()], { error: expected })
    .transform((value, context) => {
      const parts = RATIO.exec(String(value));
      const share = parts === null ? (value === '' ? Number.NaN : Number(value)) : Number(parts[1]) / 100;
      if (share >= 0 && share <= 1) return share;
      return reject(context, `"${value}" is not a share of the whole`, expected);
    })
    .meta({ title: 'share', pattern: `${RATIO.source}|^[01](\\.\\d+)?$` });
}

/** `2500` → `2.5s`: the largest unit that writes the value without loss of sense. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  for (const unit of ['h', 'm', 's']) {
    const inUnit = ms / (DURATION_UNITS[unit] as number);
    if (inUnit >= 1 && Number(inUnit.toFixed(2)) === inUnit) return `${inUnit}${unit}`;
  }
  return `${ms}ms`;
}

/** `65536` → `64KiB`. */
export function formatSize(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const inUnit = bytes / (SIZE_UNITS[unit] as number);
    if (inUnit >= 1 && Number(inUnit.toFixed(2)) === inUnit) return `${inUnit}${unit}`;
  }
  return `${bytes}B`;
}

/**
 * Refuses a value from inside a transform. The message says what is wrong, `expected` what is allowed
 * and `suggestion` what was probably meant: the loader puts the three behind the position.
 */
export function reject(
  context: z.RefinementCtx,
  message: string,
  expected?: string,
  suggestion?: string,
): never {
  context.addIssue({ code: 'custom', message, params: { expected, suggestion } });
  return z.NEVER;
}

function within(
  context: z.RefinementCtx,
  value: number,
  written: string | number,
  min: number,
  max: number,
  format: (value: number) => string,
): number {
  if (value < min) return reject(context, `${written} is too small`, `at least ${format(min)}`);
  if (value > max) return reject(context, `${written} is too large`, `at most ${format(max)}`);
  return value;
}
