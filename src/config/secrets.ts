import type { Path } from './mistakes.js';
import type { Config } from './schema.js';

const MASK = '***';

/** Options whose value is a secret, wherever they occur. */
const SECRET_OPTIONS = new Set([
  'token',
  'passphrase',
  'password',
  'sentinelPassword',
  'secret',
  'clientSecret',
]);

/** Words in the name of a header or a query parameter that make its value a secret. */
const SECRET_NAME =
  /auth|cookie|api[-_]?key|access[-_]?key|token|secret|password|passwd|credential|session|signature/i;

/** Options that hold names chosen by the user, with values that may be secrets. */
const NAMED_VALUES = new Set(['set', 'add', 'headers', 'query']);

/** What is a credential whatever its name: one behind an authentication scheme (RFC 9110 §11.4), or a JWT (RFC 7519). */
const CREDENTIAL = /^(?:bearer|basic) +\S+$|^eyJ[\w-]+\.[\w-]+\.[\w-]*$/i;

/** A URL with a user or a password, anywhere in a text. */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi;

/** Whether the value at a path of the configuration must not be shown. */
export function isSecret(path: Path): boolean {
  const last = String(path.at(-1) ?? '');
  if (SECRET_OPTIONS.has(last)) return true;
  if (path.length === 1 && last === 'redis') return true;
  if (isKeyMaterial(path) && last !== 'file') return true;
  return isNamedByUser(path) && SECRET_NAME.test(last);
}

/** Key material under names that elsewhere are harmless. */
function isKeyMaterial([first, second, third, fourth]: Path): boolean {
  if (first !== 'auth') return false;
  if (second === 'providers') return fourth === 'secret';
  return second === 'context' && third === 'jwt' && fourth === 'key';
}

function isNamedByUser(path: Path): boolean {
  return path.slice(0, -1).some((step) => NAMED_VALUES.has(String(step)));
}

/**
 * A copy for eyes: tokens, passphrases, credentials in URLs and the values of headers and query parameters that look like
 * secrets, by their name or themselves, are `***`. What only names a secret (`present: true`) stays.
 */
export function maskSecrets(config: Config): Config {
  return mask(config, []) as Config;
}

function mask(value: unknown, path: Path): unknown {
  if (typeof value === 'string') return maskText(value, path);
  if (Array.isArray(value)) return value.map((item, index) => mask(item, [...path, index]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mask(inner, [...path, key])]));
}

function maskText(value: string, path: Path): string {
  if (value === '') return value;
  if (path.length === 1 && path[0] === 'redis') return value.replace(CREDENTIALS, `$1${MASK}@`);
  if (path.at(-1) === 'file') return value;
  if (isSecret(path) || isSecret(path.slice(0, -1))) return MASK;
  if (isNamedByUser(path) && CREDENTIAL.test(value)) return MASK;
  return value.replace(CREDENTIALS, `$1${MASK}@`);
}
