import { describe, expect, it } from 'vitest';
import { Latencies, Percentile } from '../../../src/upstream/retry/latencies.ts';

describe('a percentile', () => {
  it('is unknown until there is enough to tell', () => {
    const latencies = new Latencies();
    for (let i = 0; i < 19; i++) latencies.record(5);
    expect(latencies.at(0.95)).toBeNaN();
    latencies.record(5);
    expect(latencies.at(0.95)).toBeCloseTo(5, 0);
  });

  it.each([0.05, 1, 20, 700, 30_000])('is right within a tenth around %s ms', (ms) => {
    const latencies = new Latencies();
    for (let i = 1; i <= 1_000; i++) latencies.record((ms * i) / 500);
    for (const quantile of [0.5, 0.95]) {
      const exact = (ms * quantile * 1_000) / 500;
      expect(Math.abs(latencies.at(quantile) / exact - 1)).toBeLessThan(0.1);
    }
  });

  it('follows a service that has become slower', () => {
    const latencies = new Latencies();
    for (let i = 0; i < 5_000; i++) latencies.record(10);
    for (let i = 0; i < 4_000; i++) latencies.record(100);
    expect(latencies.at(0.5)).toBeGreaterThan(90);
  });

  it('survives what no clock should say', () => {
    const latencies = new Latencies();
    for (let i = 0; i < 30; i++) latencies.record(1e12);
    for (let i = 0; i < 30; i++) latencies.record(0);
    expect(latencies.at(0.99)).toBeGreaterThan(60_000);
    expect(latencies.at(0.1)).toBeLessThan(0.01);
  });
});

it('a percentile for each request is worked out now and then', () => {
  const latencies = new Latencies();
  const median = new Percentile(latencies, 0.5);
  expect(median.ms).toBeNaN();
  for (let i = 0; i < 20; i++) latencies.record(10);
  const first = median.ms;
  expect(first).toBeCloseTo(10, -1);
  for (let i = 0; i < 63; i++) latencies.record(1_000);
  expect(median.ms).toBe(first);
  latencies.record(1_000);
  expect(median.ms).toBeGreaterThan(900);
});
