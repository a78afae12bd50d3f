import { describe, expect, it } from 'vitest';
import { Exchange } from '../../src/exchange.ts';
import { BAD_LENGTH, takeAnswerHead, UNKNOWN_LENGTH } from '../../src/upstream/answer-head.ts';

type Headers = Parameters<typeof takeAnswerHead>[1];

function take(headers: Headers): { length: number; fields: readonly string[] } {
  const x = new Exchange(0);
  x.id = 'id-1';
  const length = takeAnswerHead(x, headers);
  return { length, fields: x.answerHeaders };
}

const OURS = ['x-request-id', 'id-1'];

describe('the head of an answer', () => {
  it('keeps fields in their order, lists as several', () => {
    expect(take({ 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'], etag: '"x"' }).fields).toEqual([
      ...OURS,
      'content-type',
      'text/plain',
      'set-cookie',
      'a=1',
      'set-cookie',
      'b=2',
      'etag',
      '"x"',
    ]);
  });

  it('loses what belongs to the connection, and what the listener writes', () => {
    const headers = {
      connection: 'keep-alive',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      'proxy-authenticate': 'Basic',
      te: 'trailers',
      trailer: 'x-sum',
      upgrade: 'h2c',
      'transfer-encoding': 'chunked',
      date: 'Thu, 01 Jan 1970 00:00:00 GMT',
      'content-length': '5',
      'x-request-id': 'theirs',
    };
    expect(take(headers).fields).toEqual(OURS);
  });

  it('keeps names that only look like those', () => {
    const headers = {
      ab: '1',
      link: '2',
      expires: '3',
      'set-cookie': '4',
      'x-request-ix': '5',
      'content-lengtx': '6',
    };
    expect(take(headers).fields).toEqual([...OURS, ...Object.entries(headers).flat()]);
  });

  it.each([
    ['x-hop', ['x-kept', '2']],
    ['close, X-HOP', ['x-kept', '2']],
    ['x-hop ,x-kept', []],
    ['keep-alive', ['x-hop', '1', 'x-kept', '2']],
    ['x-request-id', ['x-hop', '1', 'x-kept', '2']],
  ])('loses what Connection names (%s)', (connection, kept) => {
    expect(take({ connection, 'x-hop': '1', 'x-kept': '2' }).fields).toEqual([...OURS, ...kept]);
  });

  it('loses what several lines of Connection name', () => {
    expect(take({ connection: ['x-a', 'x-b'], 'x-a': '1', 'x-b': '2', 'x-c': '3' }).fields).toEqual([
      ...OURS,
      'x-c',
      '3',
    ]);
  });
});

describe('the length of an answer', () => {
  it.each([
    ['0', 0],
    ['5', 5],
    ['123456789012345', 123456789012345],
    ['', BAD_LENGTH],
    ['+5', BAD_LENGTH],
    ['-5', BAD_LENGTH],
    ['5, 5', BAD_LENGTH],
    ['0x5', BAD_LENGTH],
    ['5 ', BAD_LENGTH],
    ['1234567890123456', BAD_LENGTH],
  ])('of %j is %i', (value, length) => {
    expect(take({ 'content-length': value }).length).toBe(length);
  });

  it('is bad when it is said twice', () => {
    expect(take({ 'content-length': ['5', '5'] }).length).toBe(BAD_LENGTH);
  });

  it('is unknown when it is not said', () => {
    expect(take({}).length).toBe(UNKNOWN_LENGTH);
    expect(take({ 'transfer-encoding': 'Chunked' }).length).toBe(UNKNOWN_LENGTH);
  });

  it.each(['gzip', 'gzip, chunked', 'chunked, gzip', 'identity', ''])(
    'is bad under the coding %j',
    (coding) => {
      expect(take({ 'transfer-encoding': coding }).length).toBe(BAD_LENGTH);
    },
  );

  it('is bad under two codings', () => {
    expect(take({ 'transfer-encoding': ['chunked', 'chunked'] }).length).toBe(BAD_LENGTH);
  });
});
