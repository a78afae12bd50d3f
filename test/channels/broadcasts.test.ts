import { expect, it, onTestFinished } from 'vitest';
import { Broadcasts } from '../../src/control/channels/broadcasts.ts';
import { MemoryLog } from '../../src/control/channels/memory-log.ts';

function setUp() {
  const delivered: unknown[] = [];
  const log = new MemoryLog((channel, { data }) => expect(broadcasts.heard(channel, data)).toBe(true));
  onTestFinished(() => log.close());
  const broadcasts = new Broadcasts(log, async (broadcast) => delivered.push(broadcast));
  return { broadcasts, log, delivered };
}

it('a broadcast is delivered when the log tells it, and its sender learns to how many', async () => {
  const { broadcasts, delivered } = setUp();
  expect(await broadcasts.send({ user: 'ann' }, '"hi"')).toBe(1);
  expect(await broadcasts.send({ all: true }, '{"a":[1]}')).toBe(2);
  expect(delivered).toEqual([
    { to: { user: 'ann' }, data: '"hi"' },
    { to: { all: true }, data: '{"a":[1]}' },
  ]);
});

it('messages of channels are none, and what lies in the log as garbage harms nobody', async () => {
  const { broadcasts, log, delivered } = setUp();
  expect(broadcasts.heard('news', '1')).toBe(false);
  for (const garbage of [
    '',
    'null',
    '7',
    '{}',
    '{"id":"x","to":null,"data":"1"}',
    '{"id":7,"to":{"all":true},"data":"1"}',
  ])
    await log.append('$broadcast', garbage, { size: 0, ttl: 0 });
  expect(delivered).toEqual([]);
});
