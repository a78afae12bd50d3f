/** Where a registry may send the gateway, in every spelling that the gateway would dial. */
import { describe, expect, it } from 'vitest';
import { AddressPolicy } from '../../../src/services/registry/addresses.ts';
import { readInstance } from '../../../src/services/registry/instance.ts';

const closed = new AddressPolicy({ allowLoopback: false, networks: [] });
const faultOf = (url: string, policy = closed) => policy.fault(readInstance({ url }).url);

describe('without anything listed', () => {
  it.each(['http://8.8.8.8:80', 'https://1.1.1.1', 'http://[2606:4700::1111]:8080'])('takes %s', (url) => {
    expect(faultOf(url)).toBeNull();
  });

  it.each([
    // loopback
    ...[
      '127.0.0.1',
      '127.1',
      '127.255.255.254',
      '2130706433',
      '0x7f000001',
      '0x7f.1',
      '0177.0.0.1',
      '017700000001',
      '127.0.0.1.',
    ],
    ...[
      '[::1]',
      '[0:0:0:0:0:0:0:1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::127.0.0.1]',
      '[64:ff9b::127.0.0.1]',
      '[2002:7f00:1::]',
      '[::ffff:0:127.0.0.1]',
      '[64:ff9b:1::7f00:1]',
    ],
    ...['１２７.０.０.１', '①②⑦.0.0.1', '%31%32%37.0.0.1'],
    // metadata
    ...[
      '169.254.169.254',
      '2852039166',
      '0xa9fea9fe',
      '0251.0376.0251.0376',
      '0xa9.0xfe.0xa9.0xfe',
      '169.254.43518',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '[fd00:ec2::254]',
      '[FD00:0EC2:0:0:0:0:0:254]',
      '[64:ff9b::a9fe:a9fe]',
      '[2002:a9fe:a9fe::1]',
      '100.100.100.200',
      '168.63.129.16',
      '169.254.170.2',
      '192.0.0.192',
    ],
    // private, shared, link-local
    ...[
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
      '169.254.1.1',
      '198.18.0.1',
      '[fe80::1]',
      '[fc00::1]',
      '[fdff::1]',
      '[64:ff9b:1:a00::1]',
      '[::ffff:10.0.0.1]',
    ],
    // nowhere
    ...[
      '0.0.0.0',
      '0',
      '255.255.255.255',
      '224.0.0.1',
      '240.0.0.1',
      '[::]',
      '[ff02::1]',
      '[2001:db8::1]',
      '[2001:0:7f00:1::]',
    ],
    // names, whatever they resolve to
    ...['localhost', 'metadata.google.internal', 'quotes.internal', '127.0.0.1.nip.io', 'localtest.me'],
  ])('refuses %s', (host) => {
    expect(faultOf(`http://${host}:9001`)).not.toBeNull();
  });
});

describe('what the configuration lists', () => {
  it('is taken, network by network', () => {
    const policy = new AddressPolicy({
      allowLoopback: false,
      networks: ['10.1.0.0/16', 'fd00::/8', '192.168.0.7'],
    });
    for (const host of ['10.1.2.3', '[fd00::1]', '192.168.0.7', '[::ffff:10.1.2.3]'])
      expect(faultOf(`http://${host}`, policy)).toBeNull();
    for (const host of ['10.2.0.1', '192.168.0.8', '127.0.0.1', '[fe80::1]', 'name'])
      expect(faultOf(`http://${host}`, policy)).not.toBeNull();
  });

  it('opens loopback and nothing else with allowLoopback', () => {
    const policy = new AddressPolicy({ allowLoopback: true, networks: [] });
    for (const host of ['127.0.0.1', '[::1]', '0x7f.1', '[::ffff:127.0.0.1]'])
      expect(faultOf(`http://${host}`, policy)).toBeNull();
    for (const host of ['10.0.0.1', '169.254.169.254', 'localhost', '0.0.0.0'])
      expect(faultOf(`http://${host}`, policy)).not.toBeNull();
  });

  it('opens a metadata service only when it is listed by its one address', () => {
    const wide = new AddressPolicy({ allowLoopback: true, networks: ['0.0.0.0/0', '::/0'] });
    expect(faultOf('http://10.0.0.1', wide)).toBeNull();
    for (const host of ['169.254.169.254', '[fd00:ec2::254]', '[::ffff:169.254.169.254]', '0.0.0.0'])
      expect(faultOf(`http://${host}`, wide)).not.toBeNull();
    const exact = new AddressPolicy({ allowLoopback: false, networks: ['169.254.169.254'] });
    expect(faultOf('http://169.254.169.254', exact)).toBeNull();
  });
});
