/** How a service learns who is calling. */
import type { Env, Step } from '../pipeline.js';
import { claimAt, type Identity, type Provider } from './identity.js';

/** Headers that only the gateway sets; a client's own are dropped on every route. */
export const IDENTITY_HEADERS = ['x-user-id', 'x-user-roles', 'x-consumer-id', 'x-auth-method'] as const;

const AUTHORIZATION: ReadonlySet<string> = new Set(['authorization']);
const NO_COOKIES: ReadonlySet<string> = new Set();

/** Adds what the service may know of the caller, and takes out the credentials that are not for it. */
export function introduce(
  providers: readonly Provider[],
  claims: Readonly<Record<string, string>>,
  { access, route }: Env,
): Step {
  const secretHeaders = new Set(providers.flatMap(({ privateHeader }) => privateHeader ?? []));
  const secretCookies = new Set(providers.flatMap(({ privateCookie }) => privateCookie ?? []));
  const hides = secretHeaders.size + secretCookies.size > 0;
  const mapped = Object.entries(claims).map(([header, claim]) => [header.toLowerCase(), claim] as const);
  const known = new WeakMap<Identity, readonly string[]>();
  const { introduction } = access;
  const audience = { service: route.service ?? '', claims: Object.values(claims) };
  const bearers = providers.filter((provider) => provider.bearerFor !== undefined);

  return function introduceCaller(x) {
    const { identity } = x;
    if (hides) x.forwardHeaders = withoutCredentials(x.forwardHeaders, secretHeaders, secretCookies);
    if (identity === null) return;
    let fields = x.forwardHeaders;
    for (let i = 0; i < bearers.length; i++) {
      const bearer = bearers[i].bearerFor?.(identity) ?? '';
      if (bearer === '') continue;
      // In the place of what the client may have sent there.
      fields = withoutCredentials(fields, AUTHORIZATION, NO_COOKIES);
      fields.push('authorization', bearer);
    }
    x.forwardHeaders = fields;
    if (introduction !== null) {
      fields.push(introduction.header, introduction.token(identity, audience));
      return;
    }
    let own = known.get(identity);
    if (own === undefined) {
      own = fieldsAbout(identity, mapped);
      known.set(identity, own);
    }
    for (let i = 0; i < own.length; i++) fields.push(own[i]);
  };
}

function fieldsAbout(identity: Identity, mapped: readonly (readonly [string, string])[]): string[] {
  const fields = ['x-auth-method', identity.method];
  if (identity.user !== '') fields.push('x-user-id', fieldText(identity.user));
  if (identity.consumer !== '') fields.push('x-consumer-id', fieldText(identity.consumer));
  if (identity.roles.length > 0) fields.push('x-user-roles', identity.roles.map(memberText).join(','));
  for (const [header, path] of mapped) {
    const value = claimText(claimAt(identity.claims, path));
    if (value !== '') fields.push(header, value);
  }
  return fields;
}

function claimText(value: unknown): string {
  if (Array.isArray(value)) return value.map((member) => claimText(member).replaceAll(',', '%2C')).join(',');
  if (typeof value === 'object' && value !== null) return fieldText(JSON.stringify(value));
  return value === undefined || value === null ? '' : fieldText(String(value));
}

/**
 * As UTF-8 bytes. Control characters, which a field cannot hold, white space at its ends and `%` are percent-encoded: no two
 * values look the same. Nor do halves of characters, which JSON can hold and UTF-8 cannot: `%uD800`.
 */
function fieldText(value: string): string {
  const safe = value
    .replace(/[\x00-\x1f\x7f%]|^ | $/g, encodeURIComponent)
    .replace(/\p{Surrogate}/gu, halfText);
  return Buffer.from(safe, 'utf8').toString('latin1');
}

function halfText(half: string): string {
  return `%u${half.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** A comma inside of a member would look like its end. */
function memberText(value: string): string {
  return fieldText(value).replaceAll(',', '%2C');
}

function withoutCredentials(
  fields: readonly string[],
  headers: ReadonlySet<string>,
  cookies: ReadonlySet<string>,
): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i];
    if (headers.has(name) || (name.includes('_') && headers.has(name.replaceAll('_', '-')))) continue;
    const value =
      name === 'cookie' && cookies.size > 0 ? withoutCookies(fields[i + 1], cookies) : fields[i + 1];
    if (name !== 'cookie' || value !== '') kept.push(name, value);
  }
  return kept;
}

function withoutCookies(value: string, names: ReadonlySet<string>): string {
  return value
    .split(';')
    .filter((pair) => !names.has(pair.split('=', 1)[0].trim()))
    .join(';')
    .trim();
}
