import { describe, expect, it } from 'vitest';
import { addressText, TrustedProxies } from '../../src/listen/addresses.ts';

const bytes = (text: string): ArrayBuffer => new TextEncoder().encode(text).buffer;

describe('the text of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0000', '::'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:0db8:0000:0001:0001:0001:0001:0001', '2001:db8:0:1:1:1:1:1'],
    ['fe80:0000:0000:0000:ABCD:00ef:0000:0000', 'fe80::abcd:ef:0:0'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:0000:0001', '0.0.0.1'],
    ['0000:0000:0000:0000:0001:ffff:c000:0201', '::1:ffff:c000:201'],
    ['', ''],
  ])('%s is written %s (RFC 5952)', (long, short) => {
    expect(addressText(bytes(long))).toBe(short);
  });

  it('stays right when there are more addresses than are remembered', () => {
    for (let i = 0; i < 20_000; i++)
      addressText(bytes(`2001:0db8:0000:0000:0000:0000:0000:${i.toString(16).padStart(4, '0')}`));
    expect(addressText(bytes('2001:0db8:0000:0000:0000:0000:0000:0001'))).toBe('2001:db8::1');
  });
});

describe('trusted proxies', () => {
  const trusted = new TrustedProxies(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '2001:db8::1']);

  it.each([
    '10.0.0.1',
    '10.255.255.255',
    '192.0.2.1',
    'fd12::1',
    '2001:db8::1',
    '2001:db8:0::1',
    '::ffff:10.0.0.1',
  ])('%s is one', (address) => {
    expect(trusted.trusts(address)).toBe(true);
    expect(trusted.trusts(address)).toBe(true);
  });

  it.each([
    '11.0.0.1',
    '192.0.2.2',
    'fe00::1',
    '2001:db8::2',
    '',
    'localhost',
    '10.0.0.256',
    '010.0.0.1',
    '10.1',
    '::ffff:11.0.0.1',
  ])('%j is none', (address) => {
    expect(trusted.trusts(address)).toBe(false);
  });

  it.each([
    ['an empty list', '', '10.0.0.1'],
    ['one hop', '6.6.6.6', '6.6.6.6'],
    ['hops of ours behind it', '6.6.6.6, 10.1.1.1', '6.6.6.6'],
    ['claims before it', '1.1.1.1, 6.6.6.6, 10.1.1.1', '6.6.6.6'],
    ['only ours', '10.2.2.2, 10.1.1.1', '10.2.2.2'],
    ['empty members', ', 6.6.6.6, , 10.1.1.1', '10.1.1.1'],
    ['a port', '6.6.6.6:80', '6.6.6.6'],
    ['brackets', '[2001:db8::6]', '2001:db8::6'],
    ['brackets and a port', '[2001:db8::6]:80', '2001:db8::6'],
    ['an open bracket', '[2001:db8::6', '10.0.0.1'],
    ['white space', ' \t6.6.6.6\t ', '6.6.6.6'],
  ])('the client is the right-most hop that is not one of them: %s', (_what, forwardedFor, client) => {
    expect(trusted.clientOf('10.0.0.1', forwardedFor)).toBe(client);
  });

  it('a peer that is none of them is the client, whatever it says', () => {
    expect(trusted.clientOf('6.6.6.6', '1.1.1.1, 10.0.0.1')).toBe('6.6.6.6');
  });

  it('keeps its verdicts right when there are more addresses than are remembered', () => {
    for (let i = 0; i < 20_000; i++) trusted.trusts(`11.0.${(i >> 8) & 255}.${i & 255}`);
    expect(trusted.trusts('10.0.0.1')).toBe(true);
    expect(trusted.trusts('11.0.0.1')).toBe(false);
  });
});
