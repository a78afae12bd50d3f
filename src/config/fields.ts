import { isIP } from 'node:net';
import { z } from 'zod';
import { TOKEN } from '../listen/method.js';
import { checkHost, normalHostPattern } from '../route/host.js';
import { checkPathPattern } from '../route/pattern.js';
import { checkPattern } from '../route/predicates.js';
import { reject } from './units.js';

/** RFC 9110 §5.5: a field value has no control characters but the tab. */
const CONTROL_CHARACTER = /[\x00-\x08\x0a-\x1f\x7f]/;

const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const HOST_LABEL = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/i;

/**
 * Text without variables, `$${` for `${`. A number or a boolean is refused: YAML would already have changed how it was
 * written (`1.0`, `0x10`).
 */
export function text() {
  return quoted().transform(unescaped);
}

/** A text that may name variables of the request: src/template.ts. */
export function template() {
  return quoted();
}

/** A text whose `$${` is a literal `${`. Values with variables keep the escape for whoever compiles them. */
export function unescaped(value: string): string {
  return value.replaceAll('$${', '${');
}

/** A bearer token (RFC 6750 §2.1), so that it fits into a header. */
export function token() {
  return quoted().regex(/^[A-Za-z0-9\-._~+/]+=*$/, {
    error: 'letters, digits and - . _ ~ + /, at least one',
  });
}

/** A regular expression in RE2 syntax. */
export function pattern() {
  return text().superRefine((value, context) => {
    const mistake = checkPattern(value);
    if (mistake !== null) reject(context, mistake, 'a regular expression in RE2 syntax');
  });
}

/** The name of a route or a service. */
export function name() {
  return z
    .string()
    .regex(NAME, { error: 'lower-case letters, digits, ".", "_" and "-", a letter or digit first' });
}

/** The name of a provider, a limit, a decision point: shown in headers and metrics, and a key of the configuration only. */
export function label() {
  return z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
    error: 'letters, digits, ".", "_" and "-", a letter or digit first',
  });
}

/** The path of a file, taken from the folder of the configuration file unless absolute. */
export function fileName() {
  return z.string().min(1, { error: 'the path of a file' });
}

/** Where to listen: `host:port`, `[::1]:port`, `:port` or a port alone. */
export function address(defaultHost: string) {
  const expected = 'host:port, [ipv6]:port or a port from 0 to 65535';
  return z
    .union([z.string(), z.number()], { error: expected })
    .transform((value, context): { host: string; port: number } => {
      const parts = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(\d{1,5})$/.exec(String(value));
      if (parts === null) return reject(context, `"${value}" is not an address to listen on`, expected);
      const port = Number(parts[2]);
      if (port > 65_535) return reject(context, `port ${port} does not exist`, 'a port from 0 to 65535');
      const host =
        parts[1] === undefined || parts[1] === '' ? defaultHost : parts[1].replace(/^\[(.*)\]$/, '$1');
      if (parts[1]?.startsWith('[') && isIP(host) !== 6) {
        return reject(context, `"${host}" is not an IPv6 address`, expected);
      }
      return checkedHost(host, context) ? { host, port } : z.NEVER;
    })
    .meta({ title: 'address' });
}

/** The host part of where to listen: an IP address or a host name, without brackets. */
export function listenHost() {
  return z.string({ error: 'an IP address or a host name' }).superRefine((value, context) => {
    checkedHost(value, context);
  });
}

export function port() {
  const expected = 'a port from 0 to 65535; 0 takes any free one';
  return z.int({ error: expected }).min(0, { error: expected }).max(65_535, { error: expected });
}

/** A network in CIDR notation or one address. */
export function network() {
  const expected = 'a network such as 10.0.0.0/8 or fd00::/8, or an address';
  return z.string({ error: expected }).superRefine((value, context) => {
    const [host = '', prefix] = value.split('/');
    const family = isIP(host);
    if (family === 0) return reject(context, `"${value}" is not a network`, expected);
    if (prefix === undefined) return;
    const longest = family === 4 ? 32 : 128;
    if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > longest) {
      return reject(context, `"/${prefix}" is not a prefix length`, `/0 to /${longest}`);
    }
  });
}

/** The origin of a service's instance. Output: as the URL standard writes it, `http://host:port`. */
export function origin() {
  const expected = 'http://host:port or https://host:port';
  return z.string({ error: expected }).transform((value, context) => {
    const url = URL.parse(value);
    if (url === null || url.hostname === '') {
      const suggestion = /^[\w.-]+(:\d+)?$/.test(value) ? `http://${value}` : undefined;
      const shown = value.replace(/\/\/.*@/, '//***@');
      return reject(context, `"${shown}" is not a URL`, expected, suggestion);
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      return reject(context, `"${url.protocol}//" is not spoken to services`, expected);
    }
    if (url.username !== '' || url.password !== '') {
      return reject(context, 'an endpoint carries no user or password', expected);
    }
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
      return reject(
        context,
        'an endpoint ends after the port',
        `${url.origin} here, and rewrite.prefix on the route`,
      );
    }
    if (url.port === '0') return reject(context, 'port 0 cannot be dialled', 'a port from 1 to 65535');
    return url.origin;
  });
}

/**
 * The URL of a service outside that the gateway itself calls: keys, tokens, decisions. `http://` is for this machine and for
 * networks one trusts; the checks warn of it. Output: as written.
 */
export function webUrl() {
  const expected = 'a URL such as https://id.example.com/keys';
  return z.string({ error: expected }).superRefine((value, context) => {
    const url = URL.parse(value);
    if (url === null || url.hostname === '') return reject(context, 'this is not a URL', expected);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      return reject(context, `"${url.protocol}//" is not spoken here`, expected);
    }
    if (url.username !== '' || url.password !== '') {
      return reject(context, 'the URL carries no user or password', 'clientId and clientSecret, or headers');
    }
    if (url.hash !== '') reject(context, 'the URL has no fragment', expected);
  });
}

/** A method of HTTP, in upper case (methods are case-sensitive, RFC 9110 §9.1). */
export function method() {
  return z.string().superRefine((value, context) => {
    if (value === 'TRACE')
      return reject(context, 'TRACE is never forwarded: it would show the headers Sluice adds');
    if (value === 'CONNECT') return reject(context, 'CONNECT is for forward proxies');
    if (!TOKEN.test(value)) return reject(context, `"${value}" is not a method`, 'a token such as GET');
    if (value !== value.toUpperCase()) {
      return reject(context, `"${value}" is not in upper case`, undefined, value.toUpperCase());
    }
  });
}

/** The name of a header, any case. */
export function headerName() {
  return z.string().superRefine((value, context) => {
    if (!TOKEN.test(value))
      reject(context, `"${value}" cannot be the name of a header`, 'letters, digits and "-"');
  });
}

/** The value of a header, which may name variables: one line without control characters (RFC 9110 §5.5). */
export function headerValue() {
  return quoted().superRefine((value, context) => {
    if (CONTROL_CHARACTER.test(value)) {
      reject(context, 'the value of a header is one line without control characters');
    } else if (value !== value.trim()) {
      reject(context, 'the value of a header neither begins nor ends with white space');
    }
  });
}

/** A URL or a path that may name variables of the request (RFC 9110 §10.2.2: a URI reference has no white space). */
export function location() {
  return headerValue().superRefine((value, context) => {
    if (value === '' || /\s/.test(value))
      reject(context, `"${value}" is no URL`, 'a URL or a path, spaces written as %20');
  });
}

/** `example.com` or `*.example.com`, without a port. Output: lower case. */
export function hostPattern() {
  return z.string({ error: 'a host' }).transform((value, context) => {
    const mistake = checkHost(value);
    if (mistake === null) return normalHostPattern(value);
    return reject(context, mistake, 'example.com, *.example.com or an IP address, without a port');
  });
}

/** The path before a wildcard: `/`, `/v2`, `/v2/`. */
export function pathPrefix() {
  return z.string({ error: 'a path' }).superRefine((value, context) => {
    const variable = value.split('/').find((segment) => segment.startsWith(':') || segment.includes('*'));
    const mistake =
      variable === undefined ? checkPathPattern(value) : `"${variable}" has no meaning in a prefix`;
    if (mistake !== null) reject(context, mistake, 'a plain path such as / or /v2');
  });
}

/** So many. */
export function count(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** `/a/b`, `/a/:id`, `/a/*`. */
export function pathPattern() {
  return z.string({ error: 'a path' }).superRefine((value, context) => {
    const mistake = checkPathPattern(value);
    if (mistake === null) return;
    const suggestion = value.startsWith('/') || value.includes('://') ? undefined : `/${value}`;
    reject(context, mistake, 'a path such as /users, /users/:id or /users/*', suggestion);
  });
}

function quoted() {
  return z.string({ error: (issue) => (issue.input === undefined ? undefined : 'a text, in quotes') });
}

function checkedHost(host: string, context: z.RefinementCtx): boolean {
  if (isIP(host) !== 0 || host.split('.').every((label) => HOST_LABEL.test(label))) return true;
  reject(context, `"${host}" is not a host`, 'an IP address or a host name');
  return false;
}
