/** Addresses from which a key may be used. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export class Networks {
  readonly #list = new BlockList();
  /** A client mostly comes from where it came before. */
  #lastIp = '';
  #lastAnswer = false;

  /** @throws Error for people: one of them is neither an address nor a network. */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const fault = networkFault(network);
      if (fault !== null) throw new Error(fault);
      const [address = '', bits] = network.split('/');
      const family = isIPv4(address) ? 'ipv4' : 'ipv6';
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  includes(ip: string): boolean {
    if (ip === this.#lastIp) return this.#lastAnswer;
    this.#lastIp = ip;
    this.#lastAnswer = this.#list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
    return this.#lastAnswer;
  }
}

/** What is wrong with the text of a network, for people; null when nothing is. */
export function networkFault(text: string): string | null {
  const [address = '', bits, more] = text.split('/');
  const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0;
  const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  if (most > 0 && fits && more === undefined) return null;
  return `"${text}" is not a network such as 10.0.0.0/8, 2001:db8::/32 or 10.1.2.3`;
}
