import type { Exchange } from '../../exchange.js';

/** The first value of a cookie that `accept` makes something of; undefined: there is none. */
export function findCookie<T>(
  x: Exchange,
  name: string,
  accept: (value: string) => T | undefined,
): T | undefined {
  const { headers } = x;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    const field = headers[i + 1] as string;
    for (let at = 0; at < field.length; ) {
      const semicolon = field.indexOf(';', at);
      const end = semicolon < 0 ? field.length : semicolon;
      while (field.charCodeAt(at) === 0x20) at++;
      if (field.startsWith(name, at) && field.charCodeAt(at + name.length) === 0x3d) {
        const found = accept(field.slice(at + name.length + 1, end).trim());
        if (found !== undefined) return found;
      }
      at = end + 1;
    }
  }
  return undefined;
}
