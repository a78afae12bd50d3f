import { build, type JsHistogram } from 'hdr-histogram-js';
import { describe, expect, test } from 'vitest';
import { LatencyRecorder, LatencyTotals } from '../../src/observe/latency.ts';

/** From one microsecond to an hour. */
const SPREAD_MS = Array.from({ length: 2000 }, (_, i) => 0.001 * 1.0111 ** i);

describe('a recorder', () => {
  test('puts every value where the library would', () => {
    const ours = new LatencyRecorder();
    const library = build({
      numberOfSignificantValueDigits: 2,
      highestTrackableValue: 2 ** 32,
    }) as JsHistogram;
    for (let us = 0; us < 70_000; us++) expect(ours.countsArrayIndex(us)).toBe(library.countsArrayIndex(us));
    for (const us of [2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(ours.countsArrayIndex(us)).toBe(library.countsArrayIndex(us));
    }
  });

  test('hands over all it has, once', () => {
    const recorder = new LatencyRecorder();
    for (const ms of [0, 0, 0.5, 0.5, 0.5, 12]) recorder.recordMs(ms);
    expect([...recorder.take()]).toEqual([0, 2, 500, 3, 12_000, 1]);
    expect([...recorder.take()]).toEqual([]);
    recorder.recordMs(1);
    expect([...recorder.take()]).toEqual([1000, 1]);
  });

  test('takes what a clock must not give: negative, not a number, endless', () => {
    const recorder = new LatencyRecorder();
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e12]) recorder.recordMs(ms);
    const pairs = recorder.take();
    expect(pairs[0]).toBe(0);
    expect(pairs[1]).toBe(2);
    expect(pairs[3]).toBe(2);
  });
});

describe('totals', () => {
  test('merge what several recorders saw into what one would have seen', () => {
    const all = new LatencyTotals();
    const recorders = [new LatencyRecorder(), new LatencyRecorder(), new LatencyRecorder()];
    for (const [i, ms] of SPREAD_MS.entries()) recorders[i % 3]!.recordMs(ms);
    for (const recorder of recorders) all.merge(recorder.take());
    expect(all.totalCount).toBe(SPREAD_MS.length);
    for (const percentile of [1, 50, 90, 99, 99.9]) {
      const exactUs = SPREAD_MS[Math.ceil((percentile / 100) * SPREAD_MS.length) - 1]! * 1000;
      expect(Math.abs(all.getValueAtPercentile(percentile) - exactUs)).toBeLessThanOrEqual(
        1 + exactUs * 0.01,
      );
    }
  });

  test('know the largest value to the microsecond, whatever they were made of', () => {
    const sum = new LatencyTotals();
    let largestUs = 0;
    for (const [i, ms] of [0.9, 4003.4, 3.7, 70_001.3, 12.1, 70_001.2].entries()) {
      const recorder = new LatencyRecorder();
      recorder.recordMs(ms);
      recorder.recordMs(ms / (i + 2));
      largestUs = Math.max(largestUs, Math.round(ms * 1000));
      const part = new LatencyTotals();
      part.merge(recorder.take());
      expect(part.maxValue).toBe(Math.round(ms * 1000));
      sum.add(part);
      expect(sum.maxValue).toBe(largestUs);
      expect(sum.getValueAtPercentile(100)).toBeGreaterThanOrEqual(largestUs);
    }
    sum.add(new LatencyTotals());
    expect(sum.maxValue).toBe(largestUs);
  });

  test('count what is at or below each bound', () => {
    const totals = new LatencyTotals();
    const recorder = new LatencyRecorder();
    for (const ms of [0.1, 1, 1, 5, 250, 9999]) recorder.recordMs(ms);
    totals.merge(recorder.take());
    expect(totals.cumulative([100, 1000, 2500, 5000, 1e6, 60e6])).toEqual([1, 3, 3, 4, 5, 6]);
  });
});
