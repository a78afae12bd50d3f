/**
 * Host names as routes write and requests carry them: lower case, without port and without the trailing dot
 * of an absolute name.
 */
import { isIPv6 } from 'node:net';

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
/** Nothing to normalise: the common case costs one test. */
const NORMAL = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
/**
 * Checked before lower-casing: `toLowerCase` turns some letters outside of ASCII, as the Kelvin sign, into
 * ASCII ones.
 */
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?(?::[0-9]*)?$/;

/**
 * The host of a `Host` field or `:authority` (RFC 9110 §7.2) in the form routes compare:
 * `API.Example.com.:8080` is `api.example.com`, an IPv6 literal keeps its brackets. Empty when the value is
 * empty or is no `uri-host [":" port]`.
 */
export function normalHost(authority: string): string {
  if (authority !== lastAuthority) {
    lastHost = parseHost(authority);
    lastAuthority = authority;
  }
  return lastHost;
}

/** Most requests ask for the same host as the one before. */
let lastAuthority = '';
let lastHost = '';

function parseHost(authority: string): string {
  if (NORMAL.test(authority)) return authority;
  const host = AUTHORITY.exec(authority)?.[1]?.toLowerCase() ?? '';
  return host.startsWith('[') && !isIPv6(host.slice(1, -1)) ? '' : host;
}

/** What is wrong with a host in a route, or null. Allowed: a name, an IP literal, or `*.` before a name. */
export function checkHost(pattern: string): string | null {
  const name = pattern.startsWith('*.') ? pattern.slice(2) : pattern;
  if (name.includes('*')) return `a wildcard stands for the first labels only, as in "*.example.com"`;
  if (/^(?:[^:]*|\[.*\]):\d*$/.test(name)) return 'a host has no port here';
  const host = normalHost(name);
  if (host === '') return `"${pattern}" is not a host name`;
  if (!host.startsWith('[') && !host.split('.').every((label) => LABEL.test(label)))
    return `"${pattern}" is not a host name`;
  return null;
}

/** The normal form of a route's host; `*.Example.com.` is `*.example.com`. */
export function normalHostPattern(pattern: string): string {
  return pattern.startsWith('*.') ? `*.${normalHost(pattern.slice(2))}` : normalHost(pattern);
}

/**
 * Whether a normal host pattern (or '*', any host) takes a normal host. `*.a.com` takes `x.a.com` and
 * `y.x.a.com`, not `a.com`.
 */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === ANY_HOST) return true;
  return pattern.startsWith('*.')
    ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
    : pattern === host;
}

/** Stands for a route that names no host. */
export const ANY_HOST = '*';

/**
 * Sorts host patterns as they are tried: names, then wildcards with the longest suffix first, then any host.
 */
export function compareHosts(a: string, b: string): number {
  const rank = (host: string) => (host === ANY_HOST ? 2 : host.startsWith('*.') ? 1 : 0);
  return rank(a) - rank(b) || (rank(a) === 1 ? b.length - a.length : 0) || (a < b ? -1 : a > b ? 1 : 0);
}

/** `host a.com`, or `any host`. */
export function hostText(host: string): string {
  return host === ANY_HOST ? 'any host' : `host ${host}`;
}
