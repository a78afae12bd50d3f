/** Cookies of a request, and those that sessions live in (RFC 6265bis). */
import type { Exchange } from '../../exchange.js';

/** Two of one name: whose is it? */
export const SEVERAL = Symbol('several');

/** The value of a cookie; '' when there is none. Several fields, and several of one name in a field, are looked at. */
export function cookieOf(x: Exchange, name: string): string | typeof SEVERAL {
  let found = '';
  let seen = false;
  const { headers } = x;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const pair of headers[i + 1].split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
      if (seen) return SEVERAL;
      seen = true;
      found = pair.slice(equals + 1).trim();
    }
  }
  return found;
}

/** `Set-Cookie` for a session; an empty value removes it. No lifetime: it ends with the browser, or in the store. */
export function sessionCookie(name: string, value: string): string {
  const expiry = value === '' ? '; Max-Age=0' : '';
  return `${name}=${value}; Path=/; HttpOnly; Secure; SameSite=Lax${expiry}`;
}
