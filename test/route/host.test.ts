import { describe, expect, it } from 'vitest';
import { checkHost, compareHosts, hostMatches, normalHost, normalHostPattern } from '../../src/route/host.ts';

describe('the host of a request', () => {
  it.each([
    ['a.com', 'a.com'],
    ['API.Example.COM', 'api.example.com'],
    ['a.com:8080', 'a.com'],
    ['a.com.', 'a.com'],
    ['A.com.:443', 'a.com'],
    ['a.com:', 'a.com'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:8443', '[2001:db8::1]'],
    ['under_score-9', 'under_score-9'],
  ])('%s is compared as %s', (authority, host) => {
    expect(normalHost(authority)).toBe(host);
  });

  it.each([
    '',
    '.',
    '.a.com',
    'a..com',
    'a.com..',
    'a.com:80:80',
    'a.com:x',
    'a com',
    'user@a.com',
    'a.com/x',
    'a.com,b.com',
    '[::1',
    '::1',
    '*.a.com',
    'a%2ecom',
    'é.com',
    '\u212Aelvin.com',
    'a.com\u0000',
    'a.com\n',
  ])('is refused: %j', (authority) => {
    expect(normalHost(authority)).toBe('');
  });

  it('is read in time that grows with its length only', () => {
    const before = performance.now();
    for (const text of ['a', 'a.', '.', '1:', 'a-']) normalHost(`${text.repeat(100_000)}!`);
    expect(performance.now() - before).toBeLessThan(500);
  });
});

describe('the host of a route', () => {
  it('may be a name, an address, or a wildcard before a name', () => {
    const good = [
      'a.com',
      'A.com',
      'localhost',
      '*.a.com',
      '*.com',
      '127.0.0.1',
      '[::1]',
      'a.com.',
      'a_b.com',
      'xn--caf-dma.com',
    ];
    expect(good.map(checkHost)).toEqual(good.map(() => null));
  });

  it.each([
    ['a.com:80', 'a host has no port here'],
    ['[::1]:80', 'a host has no port here'],
    ['*', 'a wildcard stands for the first labels only, as in "*.example.com"'],
    ['a.*.com', 'a wildcard stands for the first labels only, as in "*.example.com"'],
    ['*a.com', 'a wildcard stands for the first labels only, as in "*.example.com"'],
    ['*.', '"*." is not a host name'],
    ['', '"" is not a host name'],
    ['http://a.com', '"http://a.com" is not a host name'],
    ['-a.com', '"-a.com" is not a host name'],
    ['café.com', '"café.com" is not a host name'],
    ['::1', '"::1" is not a host name'],
  ])('%s is refused: %s', (host, mistake) => {
    expect(checkHost(host)).toBe(mistake);
  });

  it('is brought to the form of requests', () => {
    expect(['A.com.', '*.A.com', '[2001:DB8::1]'].map(normalHostPattern)).toEqual([
      'a.com',
      '*.a.com',
      '[2001:db8::1]',
    ]);
  });

  it('with a wildcard takes names below it at any depth, and not the name itself', () => {
    const hosts = ['x.a.com', 'y.x.a.com', 'a.com', 'xa.com', 'a.com.org'];
    expect(hosts.map((host) => hostMatches('*.a.com', host))).toEqual([true, true, false, false, false]);
    expect(hosts.map((host) => hostMatches('a.com', host))).toEqual([false, false, true, false, false]);
    expect(hosts.every((host) => hostMatches('*', host))).toBe(true);
  });

  it('is tried before a less exact one', () => {
    expect(['*', '*.com', 'b.com', '*.a.com', 'a.com'].sort(compareHosts)).toEqual([
      'a.com',
      'b.com',
      '*.a.com',
      '*.com',
      '*',
    ]);
  });
});
