import { describe, expect, it, onTestFinished } from 'vitest';
import type { OnMessage } from '../../src/control/channels/log.ts';
import { LogUnavailable } from '../../src/control/channels/log.ts';
import { MemoryLog, type MemoryLogOptions } from '../../src/control/channels/memory-log.ts';
import { ask, itKeepsTheContract } from './log-contract.ts';

function memoryLog(options: MemoryLogOptions = {}, onMessage: OnMessage = () => {}) {
  const clock = { now: 1000 };
  const log = new MemoryLog(onMessage, { now: () => clock.now, ...options });
  onTestFinished(() => log.close());
  return { log, clock };
}

describe('a log in memory', () => {
  itKeepsTheContract(async (onMessage) => {
    const { log, clock } = memoryLog({}, onMessage);
    return {
      log,
      passTime: async (ms) => {
        clock.now += ms;
      },
    };
  });
});

const HISTORY = { size: 100, ttl: 0 };

it('forgets channels that nobody uses, and begins again with another epoch', async () => {
  const { log, clock } = memoryLog();
  const head = await log.append('a', '1', HISTORY);
  log.follow('followed');
  clock.now += 11 * 60_000;
  log.sweep();
  expect(await log.names()).toEqual(['followed']);
  expect(log.bytes).toBe(0);
  const again = await ask(log, 'a', head);
  expect(again).toMatchObject({ recovered: false, latest: null });
  expect(again.head.epoch).not.toBe(head.epoch);
});

it('keeps a channel that nobody uses for as long as its history says', async () => {
  const { log, clock } = memoryLog();
  const { epoch } = await log.append('a', '1', { size: 10, ttl: 60 * 60_000 });
  clock.now += 30 * 60_000;
  log.sweep();
  expect(await ask(log, 'a', { offset: 0, epoch })).toMatchObject({ recovered: true });
});

it('holds no more than it may, however much is said on however many channels', async () => {
  const { log } = memoryLog({ maxBytes: 100_000 });
  const data = `"${'x'.repeat(500)}"`;
  log.follow('followed');
  for (let i = 0; i < 1000; i++) {
    await log.append('followed', data, { size: 1000, ttl: 0 });
    await log.append(`idle${i % 50}`, data, HISTORY);
    expect(log.bytes).toBeLessThanOrEqual(100_000);
  }
  const { head, latest } = await ask(log, 'followed', null);
  expect(latest).toMatchObject({ offset: 1000 });
  // It ends early, and says so.
  expect(await ask(log, 'followed', { ...head, offset: 500 })).toMatchObject({ recovered: false });
});

it('takes other bounds while it is in use', async () => {
  const { log } = memoryLog({ maxBytes: 1_000_000 });
  for (let i = 0; i < 100; i++) await log.append(`c${i}`, `"${'x'.repeat(1000)}"`, HISTORY);
  log.resize({ maxBytes: 50_000, maxChannels: 10 });
  expect(log.bytes).toBeLessThanOrEqual(50_000);
  const before = (await log.names()).length;
  await log.append('new', '1', HISTORY);
  expect((await log.names()).length).toBeLessThanOrEqual(before);
});

it('counts what it holds exactly, whatever becomes of the messages', async () => {
  const { log, clock } = memoryLog();
  const histories = [
    { size: 3, ttl: 0 },
    { size: 0, ttl: 0 },
    { size: 50, ttl: 40 },
  ];
  for (let i = 0; i < 500; i++) {
    clock.now += i % 7;
    await log.append(`c${i % 3}`, '1'.repeat(i % 13), histories[i % 3]);
  }
  clock.now += 1000;
  log.sweep();
  for (const name of await log.names()) {
    await log.append(name, '12345', { size: 0, ttl: 0 });
  }
  const one = memoryLog().log;
  await one.append('a', '12345', { size: 0, ttl: 0 });
  expect(log.bytes).toBe(3 * one.bytes);
});

it('has a bound on channels: those that nobody follows go first, and then there are no more', async () => {
  const { log } = memoryLog({ maxChannels: 3 });
  for (const name of ['a', 'b', 'c', 'd']) await log.append(name, '1', HISTORY);
  expect(await log.names()).toEqual(['b', 'c', 'd']);
  for (const name of ['x', 'y', 'z']) log.follow(name);
  expect(await log.names()).toEqual(['x', 'y', 'z']);
  await expect(log.append('new', '1', HISTORY)).rejects.toThrow(LogUnavailable);
  expect(() => log.follow('new')).toThrow(LogUnavailable);
  log.unfollow('y');
  await log.append('new', '1', HISTORY);
  expect(await log.names()).toEqual(['x', 'z', 'new']);
});

it('moves what it keeps rarely: a long history costs no more for each message', async () => {
  const { log } = memoryLog();
  const history = { size: 50_000, ttl: 0 };
  for (let i = 0; i < 120_000; i++) await log.append('a', '1', history);
  const { head } = await ask(log, 'a', null);
  const { missed } = await ask(log, 'a', { ...head, offset: 70_000 });
  expect(missed).toHaveLength(50_000);
  expect(missed[0]).toMatchObject({ offset: 70_001 });
});
