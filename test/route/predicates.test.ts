import { describe, expect, it } from 'vitest';
import {
  checkPattern,
  compilePredicate,
  holds,
  queryValue,
  type ValueMatch,
} from '../../src/route/predicates.ts';
import { Random } from './random.ts';
import { request } from './requests.ts';

function header(match: ValueMatch, value?: string): boolean {
  const predicate = compilePredicate('header', 'x-name', match);
  return holds(predicate, request('GET', '/', value === undefined ? {} : { 'x-name': value }));
}

function query(match: ValueMatch, text: string): boolean {
  const predicate = compilePredicate('query', 'name', match);
  return holds(predicate, request('GET', `/?${text}`));
}

describe('a demand on a value', () => {
  it('asks for presence or absence, an empty value being present', () => {
    expect([header({ present: true }, ''), header({ present: true })]).toEqual([true, false]);
    expect([header({ present: false }, ''), header({ present: false })]).toEqual([false, true]);
    expect([query({ present: true }, 'name'), query({ present: true }, 'names=1')]).toEqual([true, false]);
  });

  it('asks for an exact value, in its case', () => {
    expect(['a', 'A', 'ab', ''].map((value) => header({ exact: 'a' }, value))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(header({ exact: '' })).toBe(false);
    expect(query({ exact: 'a b' }, 'name=a+b')).toBe(true);
  });

  it('asks for a pattern anywhere in the value, unless it is anchored', () => {
    expect(['v2', 'xv21', 'v3'].map((value) => header({ pattern: 'v2' }, value))).toEqual([
      true,
      true,
      false,
    ]);
    expect(['v2', 'xv21', 'v2x'].map((value) => header({ pattern: '^v2$' }, value))).toEqual([
      true,
      false,
      false,
    ]);
    expect(header({ pattern: '' })).toBe(false);
    expect(query({ pattern: '^é' }, 'name=%C3%A9t%C3%A9')).toBe(true);
  });

  it('runs a pattern in linear time where a backtracking engine would never end', () => {
    const before = performance.now();
    expect(header({ pattern: '^(a+)+$' }, `${'a'.repeat(16_000)}!`)).toBe(false);
    expect(header({ pattern: '^(?:(?:a?){100}){10}b$' }, 'a'.repeat(16_000))).toBe(false);
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});

describe('a pattern', () => {
  it('may use what RE2 knows', () => {
    expect(
      ['', 'a|b', '^v[0-9]+$', '(?i)beta', '\\bx\\b', '\\pL{2,5}', '(?P<n>x)'].map(checkPattern),
    ).toEqual(Array(7).fill(null));
  });

  it.each([
    ['a(b', 'missing closing ) in "a(b"'],
    ['x[b-a]', 'invalid character class range in "b-a" at character 3'],
    ['a**', 'invalid nested repetition operator in "**" at character 2'],
    ['(?=a)b', 'invalid or unsupported Perl syntax in "(?=" at character 1'],
    ['(a)\\1', 'invalid escape sequence in "\\1" at character 4'],
    ['a{2000}', 'invalid repeat count in "{2000}" at character 2'],
  ])('%s is refused: %s', (pattern, mistake) => {
    expect(checkPattern(pattern)).toBe(mistake);
    expect(() => compilePredicate('header', 'a', { pattern })).toThrow(mistake);
  });
});

describe('a query parameter', () => {
  it.each<[string, string, string | undefined]>([
    ['', 'a', undefined],
    ['a', 'a', ''],
    ['a=', 'a', ''],
    ['a=1', 'a', '1'],
    ['a=1&a=2', 'a', '1'],
    ['b=1&a=2', 'a', '2'],
    ['ab=1&a=2', 'a', '2'],
    ['&&a=2', 'a', '2'],
    ['a=1=2', 'a', '1=2'],
    ['%61=1', 'a', '1'],
    ['a%3D=1', 'a=', '1'],
    ['a=1', 'a=', undefined],
    ['c%C3%A9=1', 'cé', '1'],
    ['a+b=1', 'a b', '1'],
    ['a%20b=1', 'a b', '1'],
    ['a=x+y%2Bz', 'a', 'x y+z'],
    ['a=%zz%', 'a', '%zz%'],
    ['%=1', '%', '1'],
    ['%6=1', '%6', '1'],
    ['a=%E2%82', 'a', '\ufffd'],
    ['A=1', 'a', undefined],
    ['=1', '', '1'],
  ])('of "%s" named "%s" is %j', (query, name, value) => {
    expect(queryValue(query, name)).toBe(value);
  });

  it('is read as URLSearchParams reads it', () => {
    const random = new Random(4);
    const pieces = ['a', 'b', '=', '&', '+', '%', '%61', '%3D', '%26', '%C3%A9', '1', '%2'];
    for (let n = 0; n < 20_000; n++) {
      const text = random.list(random.below(10), () => random.of(pieces)).join('');
      for (const name of ['a', 'b', 'ab', 'a=', 'é', '1 a']) {
        expect(queryValue(text, name), text).toBe(new URLSearchParams(text).get(name) ?? undefined);
      }
    }
  });

  it('is found in time that grows with the length of the query only', () => {
    const before = performance.now();
    for (const piece of ['&', '%', 'aaab&', '%61%61&', '=', '%zz&']) queryValue(piece.repeat(100_000), 'aaa');
    expect(performance.now() - before).toBeLessThan(500);
  });
});
