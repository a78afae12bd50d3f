/** Stands in the place of a value that must not be shown. */
export const REDACTED = '[redacted]';

/**
 * Replaces the values of the named query parameters. Names compare without case, and after percent-decoding:
 * `%74oken=…` is `token`. So do the parts of `user[token]` and `user.token`. Both `&` and `;` separate parameters,
 * because some services read both.
 */
export function createQueryRedactor(names: readonly string[]): (query: string) => string {
  const secret = new Set(names.map((name) => name.toLowerCase()));
  if (secret.size === 0) return (query) => query;

  return function redactQuery(query) {
    let shown = '';
    let copied = 0;
    for (let start = 0; start < query.length; ) {
      const end = endOfParameter(query, start);
      const equals = query.indexOf('=', start);
      if (equals !== -1 && equals < end && isSecret(query.slice(start, equals))) {
        shown += query.slice(copied, equals + 1) + REDACTED;
        copied = end;
      }
      start = end + 1;
    }
    return copied === 0 ? query : shown + query.slice(copied);
  };

  function isSecret(raw: string): boolean {
    const name = (raw.includes('%') ? decode(raw) : raw).toLowerCase();
    return secret.has(name) || (/[[.]/.test(name) && name.split(/[[\].]+/).some((part) => secret.has(part)));
  }
}

function endOfParameter(query: string, start: number): number {
  for (let i = start; i < query.length; i++) {
    const char = query.charCodeAt(i);
    if (char === 0x26 || char === 0x3b) return i;
  }
  return query.length;
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
