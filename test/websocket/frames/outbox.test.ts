/** How many writes messages cost, and how much memory those that come in pieces. */
import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Gathering } from '../../../src/websocket/frames/gathering.js';
import { Outbox } from '../../../src/websocket/frames/outbox.js';

function sink() {
  const writes: string[] = [];
  const socket = new Writable({
    write(chunk, _encoding, done) {
      writes.push(chunk.toString());
      done();
    },
  });
  return { writes, socket };
}

it('writes the first frame of a turn at once, and those behind it together', async () => {
  const { writes, socket } = sink();
  const outbox = new Outbox(socket);
  for (const frame of ['a', 'b', 'c']) outbox.write(Buffer.from(frame));
  expect(writes).toEqual(['a']);
  expect(outbox.waiting).toBe(2);
  await nextTurn();
  expect(writes).toEqual(['a', 'bc']);
  expect(outbox.waiting).toBe(0);
  outbox.write(Buffer.from('d'));
  expect(writes).toEqual(['a', 'bc', 'd']);
});

it('keeps the order, whatever the sizes, and does not gather for ever', async () => {
  const { writes, socket } = sink();
  const outbox = new Outbox(socket);
  const frames = Array.from({ length: 500 }, (_, i) => `${i},`.padEnd(i % 7 === 0 ? 20_000 : 100, '.'));
  for (const frame of frames) outbox.write(Buffer.from(frame));
  expect(outbox.waiting).toBeLessThan(16 * 1024);
  outbox.flush();
  expect(writes.join('')).toBe(frames.join(''));
  expect(writes.length).toBeLessThan(frames.length);
  await nextTurn();
  expect(writes.join('')).toBe(frames.join(''));
});

it('writes for each socket by itself', async () => {
  const one = sink();
  const two = sink();
  const [first, second] = [new Outbox(one.socket), new Outbox(two.socket)];
  for (const frame of ['a', 'b', 'c']) {
    first.write(Buffer.from(frame));
    second.write(Buffer.from(frame.toUpperCase()));
  }
  await nextTurn();
  expect([one.writes, two.writes]).toEqual([
    ['a', 'bc'],
    ['A', 'BC'],
  ]);
});

it('gathers a million single bytes in no more than twice their memory', () => {
  const byte = Buffer.from('x');
  const gathering = new Gathering(byte);
  for (let i = 1; i < 1_000_000; i++) gathering.add(byte);
  expect(gathering.bytes().equals(Buffer.alloc(1_000_000, 'x'))).toBe(true);
  expect(gathering.bytes().buffer.byteLength).toBeLessThanOrEqual(2_000_000);
});
