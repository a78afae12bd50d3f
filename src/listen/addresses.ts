/** Who is at the other end: addresses as the listener gives them, and which of them are our own proxies. */
import { BlockList, isIP } from 'node:net';

/** Texts remembered before the memory is emptied: bounds what a flood of addresses can hold. */
const REMEMBERED = 8192;

const known = new Map<string, string>();

/**
 * The listener writes IPv6 in full, groups and zeroes: this is the usual short form (RFC 5952), and an IPv4 address for
 * one that was mapped into IPv6.
 */
export function addressText(raw: ArrayBuffer): string {
  return shortAddress(Buffer.from(raw).toString('latin1'));
}

function shortAddress(text: string): string {
  if (!text.includes(':')) return text;
  let short = known.get(text);
  if (short === undefined) {
    short = shorten(text);
    if (known.size >= REMEMBERED) known.clear();
    known.set(text, short);
  }
  return short;
}

function shorten(text: string): string {
  const short = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (mapped === null) return short;
  const [high, low] = [Number.parseInt(mapped[1], 16), Number.parseInt(mapped[2], 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** The networks whose word about the client is taken. */
export class TrustedProxies {
  readonly #networks = new BlockList();
  readonly #verdicts = new Map<string, boolean>();

  /** Addresses and CIDR networks, checked by the configuration. */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address, prefix] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#networks.addAddress(address, family);
      else this.#networks.addSubnet(address, Number(prefix), family);
    }
  }

  trusts(address: string): boolean {
    let verdict = this.#verdicts.get(address);
    if (verdict === undefined) {
      const family = isIP(address);
      verdict = family !== 0 && this.#networks.check(address, family === 6 ? 'ipv6' : 'ipv4');
      if (this.#verdicts.size >= REMEMBERED) this.#verdicts.clear();
      this.#verdicts.set(address, verdict);
    }
    return verdict;
  }

  /** The right-most address of `X-Forwarded-For` that is not one of ours; the peer when all are, or one is no address. */
  clientOf(peer: string, forwardedFor: string): string {
    let client = peer;
    const hops = forwardedFor.split(',');
    for (let i = hops.length - 1; i >= 0 && this.trusts(client); i--) {
      const hop = withoutPort(hops[i].trim());
      if (isIP(hop) === 0) break;
      client = shortAddress(hop);
    }
    return client;
  }
}

/** Some proxies add the port: `1.2.3.4:5678`, `[::1]:5678`. */
function withoutPort(hop: string): string {
  if (hop.startsWith('[')) {
    const end = hop.indexOf(']');
    return end < 0 ? '' : hop.slice(1, end);
  }
  const colon = hop.indexOf(':');
  return colon > 0 && colon === hop.lastIndexOf(':') ? hop.slice(0, colon) : hop;
}
