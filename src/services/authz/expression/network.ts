/** Whether an address is in a network. */
import { BlockList, isIP } from 'node:net';

/** What is wrong with `10.0.0.0/8`, `::1` and the like, or null. */
export function networkFault(text: string): string | null {
  const [address, prefix, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0 || address.includes('%'))
    return `"${text}" is not a network such as 10.0.0.0/8`;
  if (prefix === undefined) return null;
  const most = family === 6 ? 128 : 32;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= most
    ? null
    : `the prefix of "${text}" is not 0 to ${most}`;
}

/** For a network without fault. What is no address of its family is not in it: `::/0` is not for IPv4. */
export function networkTest(text: string): (address: string) => boolean {
  const [address, prefix] = text.split('/');
  const network = new BlockList();
  const version = isIP(address);
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (prefix === undefined) network.addAddress(address, family);
  else network.addSubnet(address, Number(prefix), family);
  // Requests of one client come one after the other.
  let last = '';
  let verdict = false;
  return function isInNetwork(address) {
    if (address === last) return verdict;
    verdict = isIP(address) === version && network.check(address, family);
    last = address;
    return verdict;
  };
}
