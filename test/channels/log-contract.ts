/** What every log of channels does, wherever it keeps the messages. */
import { expect, it, onTestFinished } from 'vitest';
import type {
  ChannelLog,
  HistoryOptions,
  OnMessage,
  Position,
  Recovery,
} from '../../src/control/channels/log.ts';

export interface LogUnderTest {
  readonly log: ChannelLog;
  /** On the log's clock, which may be a real one. */
  passTime(ms: number): Promise<void>;
}

const PLENTY: HistoryOptions = { size: 1000, ttl: 0 };

/** `makeLog` makes an empty one, which calls back with what it follows. */
export function itKeepsTheContract(makeLog: (onMessage: OnMessage) => Promise<LogUnderTest>): void {
  async function setUp() {
    const heard: string[] = [];
    const { log, passTime } = await makeLog((channel, { offset, data }) =>
      heard.push(`${channel} ${offset} ${data}`),
    );
    onTestFinished(() => log.close());
    return { log, passTime, heard };
  }

  it('counts the messages of each channel from 1, within one epoch', async () => {
    const { log } = await setUp();
    const first = await log.append('a', '"one"', PLENTY);
    expect(first).toEqual({ offset: 1, epoch: expect.stringMatching(/^[\w-]{6,}$/) });
    expect(await log.append('a', '"two"', PLENTY)).toEqual({ offset: 2, epoch: first.epoch });
    const other = await log.append('b', '1', PLENTY);
    expect(other.offset).toBe(1);
    expect(other.epoch).not.toBe(first.epoch);
  });

  it('keeps the order of messages that come at once', async () => {
    const { log } = await setUp();
    const positions = await Promise.all(
      Array.from({ length: 200 }, (_, i) => log.append('a', `${i}`, PLENTY)),
    );
    expect(positions.map(({ offset }) => offset)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    const { missed } = await ask(log, 'a', { offset: 0, epoch: positions[0].epoch });
    expect(missed.map(({ data }) => Number(data))).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('gives exactly what was missed', async () => {
    const { log } = await setUp();
    await fill(log, 5);
    const { epoch } = (await ask(log, 'a', null)).head;
    const recovery = await ask(log, 'a', { offset: 3, epoch });
    expect(recovery).toMatchObject({ recovered: true, oldest: 0, head: { offset: 5, epoch } });
    expect(plain(recovery)).toEqual(['4 "m4"', '5 "m5"']);
    expect(await ask(log, 'a', { offset: 5, epoch })).toMatchObject({ recovered: true, missed: [] });
    expect(plain(await ask(log, 'a', { offset: 0, epoch }))).toHaveLength(5);
  });

  it('gives what is much in several answers, without a hole', async () => {
    const { log } = await setUp();
    const data = JSON.stringify('x'.repeat(60_000));
    const sent = Promise.all(Array.from({ length: 300 }, () => log.append('a', data, PLENTY)));
    const { epoch } = (await sent)[0]!;
    const offsets: number[] = [];
    while (offsets.length < 300) {
      const { recovered, missed, head } = await ask(log, 'a', { offset: offsets.length, epoch });
      expect({ recovered, head }).toEqual({ recovered: true, head: { offset: 300, epoch } });
      expect(missed.length).toBeGreaterThan(0);
      expect(missed.length).toBeLessThan(300);
      for (const { offset } of missed) offsets.push(offset);
    }
    expect(offsets).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });

  it('gives the latest message to those who have no position, or one that is not of this log', async () => {
    const { log } = await setUp();
    await fill(log, 3);
    const { epoch } = (await ask(log, 'a', null)).head;
    const latest = { offset: 3, data: '"m3"' };
    for (const since of [null, { offset: 2, epoch: 'another' }, { offset: 4, epoch }]) {
      const recovery = await ask(log, 'a', since);
      expect(recovery).toMatchObject({ recovered: false, missed: [], head: { offset: 3, epoch }, latest });
    }
  });

  it('knows a position on a channel on which nothing was said yet', async () => {
    const { log } = await setUp();
    const { head, latest } = await ask(log, 'a', null);
    expect(head.offset).toBe(0);
    expect(latest).toBeNull();
    await log.append('a', '1', PLENTY);
    expect(plain(await ask(log, 'a', head))).toEqual(['1 1']);
  });

  it('keeps as many messages as the history says, and says when they do not reach back', async () => {
    const { log } = await setUp();
    await fill(log, 100, { size: 10, ttl: 0 });
    const { epoch } = (await ask(log, 'a', null)).head;
    expect(plain(await ask(log, 'a', { offset: 90, epoch }))).toHaveLength(10);
    expect(await ask(log, 'a', { offset: 89, epoch })).toMatchObject({
      recovered: false,
      oldest: 90,
      missed: [],
      latest: { offset: 100, data: '"m100"' },
    });
    expect(await log.look('a')).toEqual({ head: { offset: 100, epoch }, kept: 10 });
  });

  it('keeps nothing but the latest message without a history', async () => {
    const { log } = await setUp();
    await fill(log, 3, { size: 0, ttl: 0 });
    const { head } = await ask(log, 'a', null);
    expect(await ask(log, 'a', head)).toMatchObject({ recovered: true, oldest: 3, missed: [] });
    expect(await ask(log, 'a', { ...head, offset: 2 })).toMatchObject({
      recovered: false,
      latest: { offset: 3 },
    });
  });

  it('keeps messages as long as the history says, and the latest for longer', async () => {
    const { log, passTime } = await setUp();
    const options = { size: 10, ttl: 200 };
    await fill(log, 3, options);
    const { head } = await ask(log, 'a', null, options);
    await passTime(250);
    expect(await ask(log, 'a', { ...head, offset: 2 }, options)).toMatchObject({
      recovered: false,
      missed: [],
      head,
      latest: { offset: 3, data: '"m3"' },
    });
    // Nothing was missed: that is certain without a history.
    expect(await ask(log, 'a', head, options)).toMatchObject({ recovered: true });
  });

  it('tells of channels that are followed, and of no others', async () => {
    const { log, heard } = await setUp();
    log.follow('a');
    await ask(log, 'a', null);
    await log.append('a', '1', PLENTY);
    await log.append('b', '2', PLENTY);
    await log.append('a', '3', PLENTY);
    await expect.poll(() => heard).toEqual(['a 1 1', 'a 2 3']);
    log.unfollow('a');
    await log.append('a', '4', PLENTY);
    log.follow('a');
    await ask(log, 'a', null);
    await log.append('a', '5', PLENTY);
    await expect.poll(() => heard.at(-1)).toBe('a 4 5');
    expect(heard).toHaveLength(3);
  });

  it('puts the answer to who asks in its place among the messages', async () => {
    const { log, heard } = await setUp();
    const history = { size: 1000, ttl: 0 };
    log.follow('a');
    const { head } = await ask(log, 'a', null);
    const asked: Promise<void>[] = [];
    const appended: Promise<Position>[] = [];
    for (let i = 0; i < 300; i++) {
      appended.push(log.append('a', `${i}`, history));
      if (i % 10 > 0) continue;
      asked.push(
        log.recover('a', head, history, (recovery) => {
          // Everything up to the head has been told, nothing after it; and the missed ones are all of it.
          expect(heard).toHaveLength(recovery.head.offset);
          expect(recovery.missed.map(({ offset, data }) => `a ${offset} ${data}`)).toEqual(heard);
        }),
      );
      if (i % 50 === 0) await Promise.all(appended);
    }
    await Promise.all([...asked, ...appended]);
    expect(asked).toHaveLength(30);
    await expect.poll(() => heard.length).toBe(300);
  });

  it('does not know what nobody has spoken of', async () => {
    const { log } = await setUp();
    expect(await log.look('a')).toBeNull();
    expect(await log.names()).toEqual([]);
    log.follow('a');
    await ask(log, 'a', null);
    await log.append('b', '1', PLENTY);
    expect(await log.names()).toContain('a');
  });
}

/** The answer to `recover`. */
export async function ask(
  log: ChannelLog,
  channel: string,
  since: Position | null,
  history = PLENTY,
): Promise<Recovery> {
  const answers: Recovery[] = [];
  await log.recover(channel, since, history, (recovery) => answers.push(recovery));
  expect(answers).toHaveLength(1);
  return answers[0];
}

async function fill(log: ChannelLog, count: number, history = PLENTY): Promise<void> {
  for (let i = 1; i <= count; i++) await log.append('a', `"m${i}"`, history);
}

function plain({ missed }: Recovery): string[] {
  return missed.map(({ offset, data }) => `${offset} ${data}`);
}
