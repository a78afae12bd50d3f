import { describe, expect, it } from 'vitest';
import { checkPathPattern, paramNames, parsePathPattern } from '../../src/route/pattern.ts';

describe('the path of a route', () => {
  it.each([
    '/',
    '/a',
    '/a/',
    '/a/:id',
    '/a/:id/',
    '/:a/:b/*',
    '/*',
    '/a.b:c',
    '/caf%C3%A9',
    '/%3Aliteral',
    '/%2A',
  ])('may be %s', (path) => {
    expect(checkPathPattern(path)).toBe(null);
  });

  it.each([
    ['', 'a path starts with "/"'],
    ['a', 'a path starts with "/"'],
    ['/a?x=1', 'a path has no query and no fragment: match those under "query"'],
    ['/a#b', 'a path has no query and no fragment: match those under "query"'],
    ['//', 'a path has no empty segments: repeated slashes of a request are merged before it is matched'],
    ['/a//b', 'a path has no empty segments: repeated slashes of a request are merged before it is matched'],
    ['/*/a', '"*" stands for the rest of the path, so it can only come last'],
    ['/a*', '"*" is a whole segment: write %2A for a literal asterisk in "a*"'],
    ['/:', '":" is not a parameter: ":" and a name of letters, digits and "_" make a whole segment'],
    [
      '/:id.json',
      '":id.json" is not a parameter: ":" and a name of letters, digits and "_" make a whole segment',
    ],
    ['/:1', '":1" is not a parameter: ":" and a name of letters, digits and "_" make a whole segment'],
    ['/:a/:a', 'the parameter ":a" appears twice'],
    ['/a/../b', 'the path holds a dot segment'],
    ['/café', 'the path holds a character that must be percent-encoded'],
    ['/a%2', 'the path holds a percent sign without two hexadecimal digits'],
  ])('may not be %j: %s', (path, mistake) => {
    expect(checkPathPattern(path)).toBe(mistake);
    expect(() => parsePathPattern(path)).toThrow(mistake);
  });

  it('names its parameters in order, the wildcard last', () => {
    expect(paramNames('/a/:id/b/:name_2/*')).toEqual(['id', 'name_2', '*']);
    expect(paramNames('/a')).toEqual([]);
  });

  it('has the same shape as another exactly when both match the same paths', () => {
    const shape = (path: string) => parsePathPattern(path).shape;
    expect(shape('/a/:x/%41%3a')).toBe(shape('/a/:y/A:'));
    const shapes = ['/a', '/a/', '/:a', '/%3A', '/%3Aa', '/*', '/%2A', '/a/*', '/a/:b', '/a/b'].map(shape);
    expect(new Set(shapes).size).toBe(shapes.length);
  });
});
