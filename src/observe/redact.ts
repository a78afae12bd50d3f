import type { Config } from '../config/schema.js';

/** Stands in the place of a value that must not be shown. */
export const REDACTED = '[redacted]';

/**
 * Replaces the values of the named query parameters. Names compare without case, after percent-decoding, and by whole
 * words from the end: `token` stands for `Token`, `%74oken`, `refresh_token`, `x-token`, `idToken`, `user[token]` and
 * `user.token`, but not for `tokens` or `token_type`; `api_key` also for `apiKey`, `api-key` and `apikey`. Both `&` and
 * `;` separate parameters, because some services read both.
 */
export function createQueryRedactor(names: readonly string[]): (query: string) => string {
  if (names.length === 0) return (query) => query;
  const secret = new RegExp(`(?:^|[-_.[\\]])(?:${names.map(asPattern).join('|')})(?:$|[.[\\]])`, 'i');

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
    const name = raw.includes('%') ? decode(raw) : raw;
    return secret.test(name.replace(/([a-z\d])([A-Z])/g, '$1_$2'));
  }
}

/** Its words may be joined by `_`, by `-`, or not at all. */
function asPattern(name: string): string {
  return name
    .split(/[-_]/)
    .map((word) => word.replace(/[^a-z\d]/gi, '\\$&'))
    .join('[-_]?');
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

/** Request headers that carry credentials. */
export function credentialHeaders({ auth }: Config): string[] {
  const headers = ['sec-websocket-protocol'];
  for (const provider of Object.values(auth.providers)) {
    if (provider.type === 'apiKey') headers.push(provider.header);
  }
  return headers;
}

/** Query parameters that may carry tokens: also where nobody takes them out. */
export function tokenParameters({ auth }: Config): string[] {
  return Object.values(auth.providers).flatMap((provider) =>
    provider.type === 'jwt' ? (provider.websocket.query ?? []) : [],
  );
}
