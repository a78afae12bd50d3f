import { describe, expect, it } from 'vitest';
import { canonicalPath, hasEncodedSlash, pathFault, validQuery } from '../../src/route/path.ts';
import { Random } from './random.ts';

describe('the canonical path', () => {
  it.each([
    '/',
    '/a',
    '/a/',
    '/a/b.c/d-e_f~g',
    "/!$&'()*+,;=:@",
    '/.well-known/acme',
    '/...',
    '/a..b/..c/c..',
    '/a;x=1/b',
    '/caf%C3%A9',
    '/a%2Fb',
    '/%20',
    '/100%25',
    '/100%25/7',
  ])('leaves %s as it is', (path) => {
    expect(canonicalPath(path)).toBe(path);
    expect(pathFault(path)).toBe('');
  });

  it.each([
    ['/%41%7a%7E%2d%2E%5f%30', '/Az~-._0'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a%2fb', '/a%2Fb'],
    ['/%f0%9f%98%80', '/%F0%9F%98%80'],
    ['/%3a%40%21', '/%3A%40%21'],
    ['//a', '/a'],
    ['/a///b//', '/a/b/'],
    ['////', '/'],
    ['//.well-known', '/.well-known'],
    ['/a%2e', '/a.'],
    ['/%2e%2e%2e', '/...'],
  ])('turns %s into %s', (raw, canonical) => {
    expect(canonicalPath(raw)).toBe(canonical);
  });

  it('allows an encoded percent sign that no second decoding can read as an escape', () => {
    expect(canonicalPath('/100%25')).toBe('/100%25');
    expect(canonicalPath('/%25zz')).toBe('/%25zz');
    expect(canonicalPath('/%25a')).toBe('/%25a');
  });

  it('says for every refusal why', () => {
    const reasons = ['', 'a', '/a\\b', '/a%5cb', '/a b', '/%', '/%00', '/%80', '/%2541', '/..'].map(
      pathFault,
    );
    expect(reasons).toEqual([
      'The path does not start with a slash.',
      'The path does not start with a slash.',
      'The path holds a backslash.',
      'The path holds an encoded backslash.',
      'The path holds a character that must be percent-encoded.',
      'The path holds a percent sign without two hexadecimal digits.',
      'The path holds an encoded control character.',
      'The path holds escapes that are not valid UTF-8.',
      'The path is percent-encoded twice.',
      'The path holds a dot segment.',
    ]);
  });

  it('decides valid UTF-8 as a strict decoder does, for every sequence of two bytes and many of three and four', () => {
    const random = new Random(1);
    const strict = new TextDecoder('utf-8', { fatal: true });
    const edges = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
    const leads = [0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff];
    const sequences: number[][] = [];
    for (let a = 0x80; a <= 0xff; a++) {
      sequences.push([a]);
      for (let b = 0x80; b <= 0xff; b++) sequences.push([a, b]);
    }
    for (let n = 0; n < 20_000; n++) {
      sequences.push([random.of(leads), ...random.list(2 + random.below(2), () => random.of(edges))]);
    }
    for (const bytes of sequences.filter((bytes) => !bytes.includes(0x7f))) {
      const text = `/${bytes.map((byte) => `%${byte.toString(16).toUpperCase()}`).join('')}`;
      let valid = true;
      try {
        strict.decode(Uint8Array.from(bytes));
      } catch {
        valid = false;
      }
      expect(canonicalPath(text), text).toBe(valid ? text : '');
    }
  });
});

describe('any input at all', () => {
  const PIECES = [
    '/',
    '//',
    '.',
    '..',
    '%',
    '%2',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%25',
    '%00',
    ';',
    'a',
    'Z',
    '9',
    '%c3',
    '%a9',
    '%41',
  ];
  const ODD = [
    '\\',
    ' ',
    '\u0000',
    '\u007f',
    'é',
    '\u{1f600}',
    '\ud800',
    '?',
    '#',
    '%u002e',
    '%fF',
    '%C0%AE',
  ];

  it('gives the same path again for a canonical path, and never a path that must not reach a service', () => {
    const random = new Random(2);
    let accepted = 0;
    for (let n = 0; n < 50_000; n++) {
      const pieces = random.list(1 + random.below(8), () => random.of(random.chance(0.05) ? ODD : PIECES));
      const raw = `/${pieces.join('')}`;
      const path = canonicalPath(raw);
      expect(pathFault(raw) === '', raw).toBe(path !== '');
      if (path === '') continue;
      accepted++;
      expect(canonicalPath(path), raw).toBe(path);
      expect(path, raw).toMatch(/^\/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*$/);
      expect(path, raw).not.toMatch(/\/\/|%[01]|%7F|%5C|%2E/);
      expect(new URL(`http://host${path}`).pathname, raw).toBe(path);
      const decoded = decodeURIComponent(path);
      for (const reading of [path, decoded, decoded.replaceAll(/;[^/]*/g, '')]) {
        const segments = reading.split('/');
        expect(segments.includes('.') || segments.includes('..'), raw).toBe(false);
      }
    }
    expect(accepted).toBeGreaterThan(2_000);
  });

  it('takes every single character that RFC 3986 allows in a path and no other', () => {
    for (let code = 0; code < 0x250; code++) {
      const character = String.fromCharCode(code);
      const allowed = /[A-Za-z0-9._~!$&'()*+,;=:@/-]/.test(character);
      expect(canonicalPath(`/x${character}`) !== '', `code ${code}`).toBe(allowed);
    }
  });

  it('takes time in proportion to the length of a hostile path', () => {
    for (const piece of ['/', '/a', '%2f', '/.', '%c3%a9/', '%25', '/..%2', ';/', '..;']) {
      const before = performance.now();
      canonicalPath(`/${piece.repeat(200_000)}`);
      expect(performance.now() - before, piece).toBeLessThan(500);
    }
  });
});

describe('an encoded slash', () => {
  it('is kept, and reported so that only routes that ask for it take it', () => {
    expect(hasEncodedSlash(canonicalPath('/a%2fb'))).toBe(true);
    expect(hasEncodedSlash('/a/b')).toBe(false);
  });
});

describe('a query', () => {
  it('may hold any visible ASCII character but the number sign', () => {
    for (let code = 0; code < 0x180; code++) {
      const allowed = code > 0x20 && code < 0x7f && code !== 0x23;
      expect(validQuery(`a=${String.fromCharCode(code)}`), `code ${code}`).toBe(allowed);
    }
    expect(validQuery('')).toBe(true);
  });
});
