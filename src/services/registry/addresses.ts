/**
 * Which addresses may be registered. Whoever can write to the registry says where the gateway connects to: without a rule
 * that is any door of the machines around it (CWE-918). So an instance is an IP address, never a name, which could lead
 * elsewhere at the next look; and it is a public one, or in a network that the configuration lists.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export interface AddressRules {
  readonly allowLoopback: boolean;
  /** CIDR, or single addresses. */
  readonly networks: readonly string[];
}

/** Nobody serves there, whatever is listed (RFC 6890): this host, multicast, what is reserved, documentation. */
const NOWHERE = listOf(
  ['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
  ['::/128', 'ff00::/8', '100::/64', '2001:db8::/32', '2001::/32'],
);
const LOOPBACK = listOf(['127.0.0.0/8'], ['::1/128']);
/** Services of clouds that tell a machine its own secrets: only if listed one by one. */
const METADATA = listOf(
  // AWS, GCP, Azure and most others; AWS containers and DNS; Alibaba; Azure's host; Oracle.
  [
    '169.254.169.254/32',
    '169.254.170.2/32',
    '169.254.170.23/32',
    '169.254.169.253/32',
    '100.100.100.200/32',
    '168.63.129.16/32',
    '192.0.0.192/32',
  ],
  ['fd00:ec2::254/128', 'fd00:ec2::253/128', 'fd00:ec2::23/128', 'fd20:ce::254/128'],
);
/** Private, shared, link-local, site-local, benchmarks. */
const NOT_PUBLIC = listOf(
  [
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    '169.254.0.0/16',
    '198.18.0.0/15',
    '192.0.0.0/24',
  ],
  ['fc00::/7', 'fe80::/10', 'fec0::/10', '64:ff9b:1::/48'],
);

export class AddressPolicy {
  readonly #allowLoopback: boolean;
  readonly #listed = new BlockList();
  readonly #listedAlone = new BlockList();

  constructor({ allowLoopback, networks }: AddressRules) {
    this.#allowLoopback = allowLoopback;
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIPv4(address) ? 'ipv4' : 'ipv6';
      const whole = family === 'ipv4' ? 32 : 128;
      if (Number(bits ?? whole) === whole) this.#listedAlone.addAddress(address, family);
      this.#listed.addSubnet(address, Number(bits ?? whole), family);
    }
  }

  /** Why the instance at a URL (an origin) is not dialled, or null. */
  fault(origin: string): string | null {
    // The parser has turned all forms of an address into one: 0x7f.1, 2130706433, 0177.0.0.1 are 127.0.0.1 here.
    const { hostname } = new URL(origin);
    const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    if (!isIPv4(host) && !isIPv6(host)) return `${host} is a name: register the address of the instance`;
    for (const address of [host, ...embedded(host)]) {
      const fault = this.#faultOf(address);
      if (fault !== null) return fault;
    }
    return null;
  }

  #faultOf(address: string): string | null {
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (NOWHERE.check(address, family)) return `${address} is no address of an instance`;
    if (METADATA.check(address, family)) {
      return this.#listedAlone.check(address, family)
        ? null
        : `${address} is a metadata service: only registry.networks with this very address allows it`;
    }
    if (LOOPBACK.check(address, family)) {
      return this.#allowLoopback || this.#listed.check(address, family)
        ? null
        : `${address} is a loopback address: registry.allowLoopback allows it`;
    }
    if (!NOT_PUBLIC.check(address, family) || this.#listed.check(address, family)) return null;
    return `${address} is not a public address: registry.networks allows its network`;
  }
}

/** IPv4 addresses that packets to an IPv6 address end up at: mapped, compatible, NAT64, 6to4. */
function embedded(host: string): string[] {
  if (isIPv4(host)) return [];
  const words = wordsOf(host);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = words;
  const last = [dotted(g, h)];
  const leadingZeros = a === 0 && b === 0 && c === 0 && d === 0;
  // ::ffff:0:0/96, ::ffff:0:0:0/96 and ::/96, where ::1 is no IPv4 address
  if (leadingZeros && ((e === 0 && f === 0xffff) || (e === 0xffff && f === 0))) return last;
  if (leadingZeros && e === 0 && f === 0) return g === 0 && h <= 1 ? [] : last;
  if (a === 0x64 && b === 0xff9b) return last; // 64:ff9b::/96 and 64:ff9b:1::/48
  return a === 0x2002 ? [dotted(b, c)] : [];
}

/** The eight words of an IPv6 address as the URL parser writes it: no dotted part, at most one `::`. */
function wordsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const parse = (part: string) =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [first, rest] = [parse(head), parse(tail ?? '')];
  return [...first, ...Array(8 - first.length - rest.length).fill(0), ...rest];
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function listOf(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of [...ipv4, ...ipv6]) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}
