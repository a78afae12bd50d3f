/** The value of `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07 §2.1). */
import type { Exchange } from '../../exchange.js';

/** Characters of a key. */
export const LONGEST_KEY = 255;
/** With every character escaped, and parameters. */
const LONGEST_FIELD = 1024;

/** RFC 9651 §3.3.3: a string, and parameters, which mean nothing here. */
const STRING = '"(?:[ !#-\\[\\]-~]|\\\\["\\\\])*"';
const PARAMETER = `; *[a-z*][a-z0-9_.*-]*(?:=(?:${STRING}|[A-Za-z*][\\w!#$%&'*+.^\`|~:/-]*|-?\\d{1,15}(?:\\.\\d{1,3})?|\\?[01]))?`;
const ITEM = new RegExp(`^(${STRING})(?:${PARAMETER})*$`);
/** What clients send that know no structured fields: a UUID, a ULID, Base64. */
const BARE = /^[A-Za-z0-9._~:+/=-]+$/;

/** The key; null: it is none. `strict` insists on the quotes. */
export function parseKey(field: string, strict: boolean): string | null {
  if (field.length > LONGEST_FIELD) return null;
  const text = field.trim();
  const item = ITEM.exec(text);
  const key =
    item === null
      ? !strict && BARE.test(text)
        ? text
        : ''
      : (item[1] as string).slice(1, -1).replace(/\\(["\\])/g, '$1');
  return key === '' || key.length > LONGEST_KEY ? null : key;
}

/** The field as the client sent it; undefined: it did not; null: several times. `name` in lower case. */
export function keyField({ headers }: Exchange, name: string): string | null | undefined {
  let found: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    if (found !== undefined) return null;
    found = headers[i + 1];
  }
  return found;
}
