import { describe, expect, it } from 'vitest';
import type { MessagesConfig } from '../../../src/config/schema/socket/messages.ts';
import { InboundGate, type InboundRules, type JudgeMessage } from '../../../src/websocket/inbound/gate.ts';
import { PolicyCounts } from '../../../src/websocket/policy-counts.ts';

const PER_SECOND = { count: 10, periodMs: 1000 };

function premises(
  messages: Partial<MessagesConfig> | null,
  schema: { judge: JudgeMessage; over?: 'reject' | 'close' } | null = null,
) {
  const counts = new PolicyCounts();
  const clock = { now: 0 };
  const admitted: string[] = [];
  const notices: Record<string, unknown>[] = [];
  const breaches: number[] = [];
  const client = { isSlow: false };
  const rules: InboundRules = {
    messages: messages && { over: 'reject', notice: 'auto', ...messages },
    schema: schema && { over: 'reject', notice: 'auto', ...schema },
    buffer: 10_000,
    counts,
  };
  const events = {
    onAdmitted: (message: ArrayBuffer) => void admitted.push(Buffer.from(message).toString()),
    onNotice(text: string) {
      if (!client.isSlow) notices.push(JSON.parse(text));
      return !client.isSlow;
    },
    end: (code: number) => void breaches.push(code),
  };
  const gate = new InboundGate(rules, events, () => clock.now);
  const say = (text: string, binary = false) => gate.take(new TextEncoder().encode(text).buffer, binary);
  return { counts, clock, admitted, notices, breaches, client, gate, say };
}

describe('a rate', () => {
  it('lets a burst pass, then as many as it says', () => {
    const { clock, admitted, say } = premises({ rate: PER_SECOND, burst: 5 });
    for (clock.now = 0; clock.now < 10_000; clock.now += 20) say('x');
    expect(admitted.length).toBeGreaterThanOrEqual(104);
    expect(admitted.length).toBeLessThanOrEqual(106);
  });

  it('of bytes lets a large message pass when nothing is owed, and waits until it is paid off', () => {
    const { clock, admitted, say } = premises({ bytes: { bytes: 1000, periodMs: 1000 } });
    say('x'.repeat(5_000));
    for (clock.now = 0; clock.now <= 3_900; clock.now += 100) say('early');
    expect(admitted).toHaveLength(1);
    clock.now = 4_100;
    say('late');
    expect(admitted.at(-1)).toBe('late');
  });

  it('of both is kept when either is used up', () => {
    const { admitted, say } = premises({ rate: PER_SECOND, bytes: { bytes: 4, periodMs: 1000 } });
    for (let i = 0; i < 10; i++) say('xx');
    expect(admitted).toHaveLength(2);
  });

  it('above which the socket ends', () => {
    const { breaches, counts, admitted, say } = premises({ rate: PER_SECOND, over: 'close' });
    for (let i = 0; i < 11; i++) say('x');
    expect([admitted.length, breaches, counts.overRate]).toEqual([10, [4429], 1]);
  });
});

describe('a notice', () => {
  it('comes at once, then once in a while for all that were dropped since', () => {
    const { clock, notices, say, gate, counts } = premises({ rate: { count: 1, periodMs: 60_000 } });
    for (clock.now = 0; clock.now < 1000; clock.now++) say('x');
    gate.look();
    clock.now += 500;
    gate.look();
    expect(notices[0]).toEqual({
      op: 'error',
      code: 'MESSAGE_RATE',
      message: 'too many messages',
      dropped: 1,
      retry_after_ms: expect.any(Number),
    });
    expect(notices.length).toBeLessThan(8);
    expect(notices.reduce((sum, { dropped }) => sum + (dropped as number), 0)).toBe(999);
    expect(counts.overRate).toBe(999);
  });

  it('of each reason comes as seldom, and counts its own', () => {
    const { clock, notices, say, gate } = premises({ rate: PER_SECOND, burst: 1 }, { judge: () => 'no' });
    let said = 0;
    for (clock.now = 0; clock.now < 2000; clock.now += 10, said++) say('x');
    clock.now += 500;
    gate.look();
    expect(notices.length).toBeLessThan(2 * 12);
    const of = (reason: string) =>
      notices
        .filter(({ code }) => code === reason)
        .reduce((sum, { dropped }) => sum + (dropped as number), 0);
    expect(of('MESSAGE_SCHEMA')).toBeGreaterThanOrEqual(19);
    expect(of('MESSAGE_SCHEMA') + of('MESSAGE_RATE')).toBe(said);
  });

  it('waits for a client that is too slow for it', () => {
    const { clock, client, notices, say, gate } = premises({ rate: { count: 1, periodMs: 60_000 } });
    client.isSlow = true;
    for (let i = 0; i < 5; i++) say('x');
    expect(notices).toEqual([]);
    client.isSlow = false;
    clock.now += 500;
    gate.look();
    expect(notices).toMatchObject([{ dropped: 4 }]);
  });

  it.each([
    ['auto', false, 1],
    ['auto', true, 0],
    ['always', true, 1],
    ['never', false, 0],
  ] as const)('%s, of binary %s: %i', (notice, binary, expected) => {
    const { notices, say } = premises({ rate: { count: 1, periodMs: 60_000 }, notice });
    say('x', binary);
    say('x', binary);
    expect(notices).toHaveLength(expected);
  });
});

describe('delay', () => {
  it('holds back in order and lets go at the rate', async () => {
    const { clock, admitted, say, gate, counts, breaches } = premises({
      rate: { count: 1000, periodMs: 1000 },
      burst: 1,
      over: 'delay',
    });
    for (let i = 0; i < 20; i++) say(`${i}`);
    expect(admitted).toEqual(['0']);
    expect(gate.waiting).toBeGreaterThan(19 * 256);
    while (admitted.length < 20) {
      clock.now += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(admitted).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
    expect([gate.waiting, counts.delayed, counts.overRate, breaches]).toEqual([0, 19, 0, []]);
  });

  it('is bounded: more ends the socket', () => {
    const { say, breaches, admitted } = premises({ rate: PER_SECOND, burst: 1, over: 'delay' });
    while (breaches.length === 0) say('x'.repeat(744));
    expect([breaches, admitted.length]).toEqual([[4429], 1]);
  });

  it('ends with the client, whose last messages still go', () => {
    const { say, admitted, gate } = premises({ rate: PER_SECOND, burst: 1, over: 'delay' });
    for (let i = 0; i < 5; i++) say(`${i}`);
    gate.flush();
    expect(admitted).toEqual(['0', '1', '2', '3', '4']);
    expect(gate.waiting).toBe(0);
  });

  it('forgets them when the socket is over', () => {
    const { say, admitted, gate } = premises({ rate: PER_SECOND, burst: 1, over: 'delay' });
    for (let i = 0; i < 5; i++) say(`${i}`);
    gate.stop();
    gate.flush();
    expect(admitted).toEqual(['0']);
  });
});

describe('a schema', () => {
  const judge: JudgeMessage = (message) =>
    Buffer.from(message).toString().startsWith('ok') ? null : '/op must be one of them';

  it('keeps back what does not fit, and says why', () => {
    const { say, admitted, notices, counts } = premises(null, { judge });
    for (const text of ['ok1', 'bad', 'ok2']) say(text);
    expect(admitted).toEqual(['ok1', 'ok2']);
    expect(notices).toEqual([
      { op: 'error', code: 'MESSAGE_SCHEMA', message: '/op must be one of them', dropped: 1 },
    ]);
    expect(counts.unfit).toBe(1);
  });

  it('ends the socket where the route says so', () => {
    const { say, breaches, notices } = premises(null, { judge, over: 'close' });
    say('bad');
    expect([breaches, notices]).toEqual([[4422], []]);
  });

  it('is not asked about what is above the rate', () => {
    let asked = 0;
    const counting: JudgeMessage = () => {
      asked++;
      return null;
    };
    const { say } = premises({ rate: PER_SECOND }, { judge: counting });
    for (let i = 0; i < 1000; i++) say('x');
    expect(asked).toBe(10);
  });
});
