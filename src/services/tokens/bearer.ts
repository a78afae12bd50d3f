import type { Exchange } from '../../exchange.js';

/** Two credentials of one kind: which of them counts? */
export const SEVERAL_TOKENS: unique symbol = Symbol('several tokens');

const SPACE = 0x20;
/** `Bearer` and a space. */
const SCHEME_LENGTH = 7;

/** The token of `Authorization: Bearer` (RFC 6750 §2.1); '' when there is none. The case of the scheme does not matter. */
export function bearerOf({ headers }: Exchange): string | typeof SEVERAL_TOKENS {
  let value = '';
  let seen = false;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'authorization') continue;
    // RFC 9110 §11.6.2 knows one: whatever their schemes, somebody behind us may look at the other.
    if (seen) return SEVERAL_TOKENS;
    seen = true;
    value = headers[i + 1];
  }
  if (value.charCodeAt(SCHEME_LENGTH - 1) !== SPACE) return '';
  if (!value.startsWith('Bearer') && value.slice(0, SCHEME_LENGTH - 1).toLowerCase() !== 'bearer') return '';
  return value.charCodeAt(SCHEME_LENGTH) === SPACE
    ? value.slice(SCHEME_LENGTH).trim()
    : value.slice(SCHEME_LENGTH);
}

/** Puts this token in the place of the request's own, in its field and in a cookie of this name. */
export function presentBearer(x: Exchange, token: string, cookie?: string): void {
  const fields: string[] = [];
  for (let i = 0; i < x.headers.length; i += 2) {
    const name = x.headers[i];
    if (name === 'authorization') continue;
    const value =
      name === 'cookie' && cookie !== undefined ? without(x.headers[i + 1], cookie) : x.headers[i + 1];
    fields.push(name, value);
  }
  x.headers = [...fields, 'authorization', `Bearer ${token}`];
}

function without(cookies: string, name: string): string {
  return cookies
    .split(';')
    .filter((pair) => pair.split('=', 1)[0].trim() !== name)
    .join(';');
}
