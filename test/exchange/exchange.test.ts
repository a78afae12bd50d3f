import { describe, expect, it } from 'vitest';
import { NOT_FOUND } from '../../src/errors.ts';
import { Exchange } from '../../src/exchange.ts';
import { ANSWERED } from '../../src/pipeline.ts';

function exchange(fields: Partial<Exchange>): Exchange {
  return Object.assign(new Exchange(0), fields);
}

describe('header', () => {
  const x = exchange({ headers: ['x-a', '1', 'x-b', 'x-a', 'x-a', '2'], authority: 'example.com:8080' });

  it('is the first value of a field', () => {
    expect(x.header('x-a')).toBe('1');
    expect(x.header('x-b')).toBe('x-a');
  });

  it('is undefined for a field that is not there, even when a value reads like its name', () => {
    expect(x.header('x-c')).toBeUndefined();
    expect(exchange({ headers: ['x-b', 'x-c'] }).header('x-c')).toBeUndefined();
  });

  it('knows Host although it is kept apart', () => {
    expect(x.header('host')).toBe('example.com:8080');
  });
});

describe('a filter', () => {
  it('refuses with a failure', () => {
    const x = exchange({});
    expect(x.refuse(NOT_FOUND)).toBe(ANSWERED);
    expect([x.failure, x.detail]).toEqual([NOT_FOUND, '']);
    expect(x.refuse(NOT_FOUND, 'because')).toBe(ANSWERED);
    expect(x.detail).toBe('because');
  });

  it('answers with an answer of its own', () => {
    const x = exchange({});
    const answer = { status: 200, headers: ['x-a', '1'], body: 'hi' };
    expect(x.answer(answer)).toBe(ANSWERED);
    expect(x.ownAnswer).toBe(answer);
  });
});

it('has one shape for all requests', () => {
  // The engine keeps field access fast as long as no exchange gets a field that others do not have.
  const before = Object.keys(new Exchange(0));
  const x = exchange({});
  x.refuse(NOT_FOUND, 'because');
  x.answer({ status: 200, headers: [], body: '' });
  expect(Object.keys(x)).toEqual(before);
});
