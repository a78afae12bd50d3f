import { describe, expect, it } from 'vitest';
import { Networks, networkFault } from '../../../src/services/keys/networks.ts';

describe('networks', () => {
  it('hold addresses and ranges of both kinds', () => {
    const networks = new Networks(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1']);
    for (const ip of ['10.1.2.3', '10.255.255.255', '192.0.2.7', '2001:db8:1::1', '::1']) {
      expect(networks.includes(ip), ip).toBe(true);
    }
    for (const ip of ['11.0.0.0', '192.0.2.8', '2001:db9::1', '::2', '']) {
      expect(networks.includes(ip), ip).toBe(false);
    }
  });

  it('answer for each client, whoever came before', () => {
    const networks = new Networks(['10.0.0.0/8']);
    for (let i = 0; i < 3; i++) {
      expect(networks.includes('10.0.0.1')).toBe(true);
      expect(networks.includes('11.0.0.1')).toBe(false);
    }
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0/8',
    '::/129',
    'example.com',
    '',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
  ])('are not %j', (text) => {
    expect(networkFault(text)).toBe(
      `"${text}" is not a network such as 10.0.0.0/8, 2001:db8::/32 or 10.1.2.3`,
    );
    expect(() => new Networks([text])).toThrow('is not a network');
  });
});
