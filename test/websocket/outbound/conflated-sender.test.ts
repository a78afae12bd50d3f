import { describe, expect, it } from 'vitest';
import type { ConflateConfig } from '../../../src/config/schema/socket/conflate.ts';
import { ConflatedSender, compileConflation } from '../../../src/websocket/outbound/conflated-sender.ts';
import { PolicyCounts } from '../../../src/websocket/policy-counts.ts';

/** A client that takes what it is given when it is told to. */
function premises(options: Partial<ConflateConfig> = {}) {
  const counts = new PolicyCounts();
  const got: string[] = [];
  const reader = {
    waiting: 0,
    isSlow: false,
    send(message: Buffer) {
      got.push(message.toString());
      if (reader.isSlow) reader.waiting += message.length;
    },
  };
  const clock = { now: 0 };
  const source = {
    paused: 0,
    resumed: 0,
    pauseSource: () => source.paused++,
    resumeSource: () => source.resumed++,
  };
  const conflation = compileConflation(
    { key: '/k', memory: 4_000_000, ...options } as ConflateConfig,
    counts,
  );
  const sender = new ConflatedSender(conflation, reader, source, () => clock.now);
  const send = (value: unknown) => sender.send(Buffer.from(JSON.stringify(value)), false);
  return {
    counts,
    got,
    reader,
    clock,
    source,
    sender,
    send,
    read: () => got.map((text) => JSON.parse(text)),
  };
}

describe('a client that keeps up', () => {
  it('gets everything at once, and nothing is read in it', () => {
    const { sender, got } = premises();
    sender.send(Buffer.from('{ this is no JSON'), false);
    for (let i = 0; i < 100; i++) sender.send(Buffer.from('{"k":1}'), false);
    expect(got).toHaveLength(101);
  });
});

describe('20,000 messages a second of 1,000 keys, for a client that takes 10 a second', () => {
  it('the latest of each key arrives, nothing protected is lost, and memory is a message for each key', () => {
    const fills = { pointer: '/type', in: ['fill'] };
    const { sender, reader, send, read, counts } = premises({ protect: fills });
    reader.isSlow = true;
    const seconds = 5;
    const perSecond = 20_000;
    const last = new Map<string, number>();
    let protectedSent = 0;
    let most = 0;
    const largest = Buffer.byteLength(JSON.stringify({ k: 'key-999', type: 'tick', i: seconds * perSecond }));
    for (let i = 0; i < seconds * perSecond; i++) {
      const k = `key-${i % 1_000}`;
      const isFill = i % 5_000 === 4_999;
      if (isFill) protectedSent++;
      else last.set(k, i);
      send(isFill ? { k, type: 'fill', n: protectedSent } : { k, type: 'tick', i });
      most = Math.max(most, sender.waiting);
      if (i % (perSecond / 10) === 0) {
        reader.waiting = 0;
        const before = read().length;
        reader.isSlow = true;
        sender.drained();
        expect(read().length - before).toBeLessThanOrEqual(1);
      }
    }
    // One place for each key, and for each protected message its own and one behind it.
    expect(most).toBeLessThanOrEqual((1_000 + 2 * protectedSent) * (largest + 256));
    reader.isSlow = false;
    reader.waiting = 0;
    sender.drained();
    const got = read();
    expect(got.filter(({ type }) => type === 'fill').map(({ n }) => n)).toEqual(
      Array.from({ length: protectedSent }, (_, n) => n + 1),
    );
    const latest = new Map(got.filter(({ type }) => type === 'tick').map(({ k, i }) => [k, i]));
    expect(latest).toEqual(last);
    expect(counts.conflated).toBe(seconds * perSecond - got.length);
    expect(sender.waiting).toBe(0);
  });
});

describe('kinds', () => {
  it('are told by the first byte, keys by a range of bytes', () => {
    const { sender, reader, got } = premises({ key: { bytes: [1, 3] }, protect: { opcodes: [3, 7] } });
    reader.waiting = 1;
    const message = (opcode: number, key: string, n: number) => Buffer.from([opcode, ...Buffer.from(key), n]);
    for (const [opcode, key, n] of [
      [1, 'aa', 65],
      [3, 'aa', 66],
      [1, 'bb', 67],
      [7, 'aa', 68],
      [1, 'bb', 69],
    ] as const)
      sender.send(message(opcode, key, n), true);
    sender.send(Buffer.from([1, 2]), true); // too short for a key
    reader.waiting = 0;
    sender.drained();
    expect(got.map((text) => text.at(-1))).toEqual(['A', 'B', 'E', 'D', '\u0002']);
  });

  it('of what has no key, or is no JSON, are protected', () => {
    const { sender, reader, got, send } = premises({ protect: { pointer: '/a~1b/~0', in: [1] } });
    reader.waiting = 1;
    const texts = [
      'hello',
      '{',
      '[1]',
      '{"k":{}}',
      '{"k":null}',
      '  {"k":1,"a/b":{"~":1}}',
      '  {"k":1,"a/b":{"~":1}}',
    ];
    for (const text of texts) sender.send(Buffer.from(text), false);
    send({ k: 1, n: 1 });
    send({ k: 1, n: 2 });
    reader.waiting = 0;
    sender.drained();
    expect(got).toEqual([...texts, '{"k":1,"n":2}']);
  });
});

describe('memory', () => {
  it('of what may not be left out is bounded: the source is paused, and resumed when half of it is gone', () => {
    const { sender, reader, send, source, read } = premises({ memory: 10_000 });
    reader.waiting = 1;
    for (let i = 0; source.paused === 0; i++) send({ n: i });
    const count = Math.ceil(10_000 / (256 + 8));
    expect(sender.waiting).toBeGreaterThan(10_000);
    expect(sender.waiting).toBeLessThan(10_000 + 300);
    reader.isSlow = true;
    while (source.resumed === 0) {
      reader.waiting = 0;
      sender.drained();
    }
    expect(sender.waiting).toBeLessThanOrEqual(5_000);
    reader.isSlow = false;
    reader.waiting = 0;
    sender.drained();
    expect(read().map(({ n }) => n)).toEqual(Array.from({ length: count }, (_, n) => n));
    expect(source).toMatchObject({ paused: 1, resumed: 1 });
  });
});

describe('a rate', () => {
  it('is kept for a client that is fast, which gets the latest', () => {
    const { sender, send, clock, read, source } = premises({ maxRate: { count: 20, periodMs: 1000 } });
    for (clock.now = 0; clock.now < 10_000; clock.now++) {
      send({ k: clock.now % 3, at: clock.now });
      if (clock.now % 10 === 0) sender.drained();
    }
    const got = read();
    expect(got.length).toBeGreaterThanOrEqual(195);
    expect(got.length).toBeLessThanOrEqual(201);
    // Three keys take turns, a place each: no message is older than a round of them.
    clock.now += 1000;
    for (let i = 0; i < 3; i++) {
      clock.now += 100;
      sender.drained();
    }
    expect(
      new Set(
        read()
          .slice(-3)
          .map(({ at }) => at),
      ),
    ).toEqual(new Set([9_997, 9_998, 9_999]));
    expect(source.paused).toBe(0);
  });

  it('is no reason to keep back what came before the end', () => {
    const { sender, send, read } = premises({ maxRate: { count: 1, periodMs: 60_000 } });
    for (let i = 0; i < 10; i++) send({ k: i });
    expect(read()).toHaveLength(1);
    sender.flush();
    expect(read()).toHaveLength(10);
  });
});
