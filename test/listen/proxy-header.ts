/** Headers of the PROXY protocol, version 2, as a load balancer writes them before the first byte of a connection. */
import { isIP } from 'node:net';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const PORTS = '\x12\x67\0\x50';

/** What the connection was at the balancer: from `source`, an IPv4 or IPv6 address. `more` is what stands behind the addresses. */
export function proxyHeader(source: string, more = ''): string {
  const v6 = isIP(source) === 6;
  const destination = v6 ? '2001:db8::ff' : '192.0.2.255';
  return header(1, v6 ? 0x21 : 0x11, bytesOf(source) + bytesOf(destination) + PORTS + more);
}

/** What a balancer sends for its own health checks: no address. */
export function localProxyHeader(): string {
  return header(0, 0, '');
}

function header(command: number, family: number, payload: string): string {
  return (
    SIGNATURE +
    String.fromCharCode(0x20 | command, family, payload.length >> 8, payload.length & 255) +
    payload
  );
}

/** An address in network order, one character for each byte. */
function bytesOf(address: string): string {
  if (isIP(address) === 4) return String.fromCharCode(...address.split('.').map(Number));
  const [head, tail = ''] = address.split('::');
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail)];
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return String.fromCharCode(...all.flatMap((group) => [group >> 8, group & 255]));
}
