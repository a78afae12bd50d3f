import { isIP } from 'node:net';
import { paramNames } from '../../route/pattern.js';
import { compileExpression } from '../../services/authz/expression/compile.js';
import { patternFault, permissionFault } from '../../services/authz/roles.js';
import { didYouMean } from '../did-you-mean.js';
import type { Draft, DraftRoute } from '../draft.js';
import type { Path } from '../mistakes.js';
import type { AuthConfig, JwtConfig, SessionConfig } from '../schema/auth.js';
import type { FilterOptions } from '../schema/route.js';
import { checkKeys, checkSigningKey, isHmac } from './auth-keys.js';
import { checkClaimHeader, checkMappedHeader } from './headers.js';
import type { Report } from './report.js';

type Auth = NonNullable<FilterOptions['auth']>;

/** Always there, for those who need not say who they are. */
const ANONYMOUS = 'anonymous';

/** Who may call: providers that can work, rules that make sense, routes that name what there is. */
export function checkAuth(draft: Draft, folder: string, report: Report): void {
  const { auth } = draft.settings;
  for (const [name, provider] of Object.entries(auth.providers)) {
    const path = ['auth', 'providers', name];
    if (name === ANONYMOUS) {
      report.mistake({ path, at: 'key', message: '"anonymous" is always there', expected: 'another name' });
    }
    if (provider.type === 'jwt') checkJwt(provider, path, folder, report);
    else if (provider.type === 'introspection') checkUrl(provider.url, [...path, 'url'], report);
    else if (provider.type === 'session') checkSession(name, provider, draft, path, report);
  }
  checkRules(auth, folder, report);
  checkDoor(draft.settings.defaults.auth, ['defaults', 'auth'], null, auth, report);
  for (const { index, route } of draft.routes) {
    if (route === undefined) continue;
    const params = paramNames(route.match.path);
    checkDoor(route.filters.auth, ['routes', index, 'auth'], params, auth, report);
    // What holds for all routes holds with the parameters of each.
    if (route.filters.auth === undefined && draft.settings.defaults.auth) {
      checkConditions(draft.settings.defaults.auth, ['defaults', 'auth'], params, report);
    }
  }
  checkBuiltins(draft.routes, auth, report);
}

function checkJwt(config: JwtConfig, path: Path, folder: string, report: Report): void {
  const { algorithms, secret, publicKey, jwks, issuer, audience } = config;
  const symmetric = algorithms.filter(isHmac);
  const given = Object.entries({ secret, publicKey, jwks }).flatMap(([name, value]) => (value ? [name] : []));
  if (symmetric.length > 0 && symmetric.length < algorithms.length) {
    report.mistake({
      path: [...path, 'algorithms'],
      message: 'shared secrets and public keys in one provider invite algorithm confusion (RFC 8725 §2.1)',
      expected: 'two providers',
    });
    return;
  }
  for (const surplus of given.slice(1)) {
    report.mistake({
      path: [...path, surplus],
      at: 'key',
      message: `${given[0]} and ${surplus} exclude each other`,
      expected: 'one of secret, publicKey, jwks',
    });
  }
  if (symmetric.length > 0 && secret === undefined) {
    report.mistake({ path, message: `${symmetric[0]} needs a secret`, expected: 'secret' });
    return;
  }
  if (symmetric.length === 0) {
    if (secret !== undefined) {
      report.mistake({
        path: [...path, 'secret'],
        at: 'key',
        message: `${algorithms.join(', ')} are verified with public keys`,
        expected: 'publicKey, jwks, or an issuer that can be discovered',
      });
      return;
    }
    for (const [option, value] of Object.entries({ issuer, audience })) {
      if (value !== undefined) continue;
      report.mistake({
        path,
        message: `${option} is missing: tokens of the same keys for others would be accepted (RFC 8725 §3.8, §3.9)`,
        expected: `${option}, or ${option}: any`,
      });
    }
    if (given.length === 0) checkDiscovery(issuer, path, report);
  }
  if (jwks !== undefined) checkUrl(jwks, [...path, 'jwks'], report);
  checkKeys(config, path, folder, report);
}

function checkDiscovery(issuer: readonly string[] | null | undefined, path: Path, report: Report): void {
  if (issuer === undefined) return; // said already
  if (issuer?.length === 1 && URL.canParse(issuer[0])) {
    checkUrl(issuer[0], [...path, 'issuer'], report);
    return;
  }
  report.mistake({
    path,
    message: 'there are no keys',
    expected: 'jwks, publicKey, or an issuer that is one URL and can be discovered',
  });
}

function checkSession(
  name: string,
  { login, cookie }: SessionConfig,
  { routes }: Draft,
  path: Path,
  report: Report,
): void {
  checkUrl(login.issuer, [...path, 'login', 'issuer'], report);
  if (!cookie.startsWith('__Host-')) {
    report.warning({
      path: [...path, 'cookie'],
      message: `browsers keep "${cookie}" less strictly than "__Host-${cookie}" (RFC 6265bis §4.1.3.2)`,
    });
  }
  const hasCallback = routes.some(
    ({ route }) =>
      route?.builtin?.action === 'callback' &&
      (route.builtin.provider ?? name) === name &&
      route.match.path === login.callback,
  );
  if (hasCallback) return;
  report.mistake({
    path: [...path, 'login'],
    message: `no route takes browsers back at ${login.callback}`,
    expected: `a route such as { name: callback, match: { path: ${login.callback} }, builtin: callback }`,
  });
}

/** Secrets and keys cross the network there. */
function checkUrl(text: string, path: Path, report: Report): void {
  const { protocol, hostname } = new URL(text);
  if (protocol === 'https:' || isLoopback(hostname)) return;
  report.warning({
    path,
    message: `${hostname} is reached without TLS: whoever is between can let himself in`,
  });
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

function checkRules(auth: AuthConfig, folder: string, report: Report): void {
  for (const [role, permissions] of Object.entries(auth.roles)) {
    for (const [index, pattern] of permissions.entries()) {
      const fault = patternFault(pattern);
      if (fault !== null) report.mistake({ path: ['auth', 'roles', role, index], message: fault });
    }
  }
  for (const [name, { url }] of Object.entries(auth.decisions)) {
    checkUrl(url, ['auth', 'decisions', name, 'url'], report);
  }
  checkSigningKey(auth, folder, report);
  if (auth.context.jwt !== undefined) {
    checkClaimHeader(auth.context.jwt.header, ['auth', 'context', 'jwt', 'header'], 'value', report);
  }
}

/** `params`: null for options of all routes, whose conditions are checked with each route. */
function checkDoor(
  options: FilterOptions['auth'],
  path: Path,
  params: readonly string[] | null,
  auth: AuthConfig,
  report: Report,
): void {
  if (!options) return;
  const known = [...Object.keys(auth.providers), ANONYMOUS];
  for (const way of ['anyOf', 'allOf'] as const) {
    for (const [index, name] of (options[way] ?? []).entries()) {
      if (known.includes(name)) continue;
      report.mistake({
        path: report.written([...path, way, index], [...path, index], path),
        message: `there is no provider "${name}"`,
        expected: `one of ${known.join(', ')}`,
        suggestion: didYouMean(name, known),
      });
    }
  }
  const open = options.anyOf?.indexOf(ANONYMOUS) ?? -1;
  if (options.anyOf !== undefined && open >= 0 && open < options.anyOf.length - 1) {
    report.warning({
      path: report.written([...path, 'anyOf', open], [...path, open], path),
      message: `"anonymous" lets everybody in before ${options.anyOf.slice(open + 1).join(', ')} is asked: it stands at the end`,
    });
  }
  if ((options.anyOf === undefined) === (options.allOf === undefined)) {
    const both = options.anyOf !== undefined;
    report.mistake({
      path: both ? [...path, 'allOf'] : path,
      message: both ? 'anyOf and allOf exclude each other' : 'nothing says how callers come in',
      expected: 'one of anyOf, allOf',
    });
  }
  if (options.decision !== undefined && !Object.hasOwn(auth.decisions, options.decision)) {
    const decisions = Object.keys(auth.decisions);
    report.mistake({
      path: [...path, 'decision'],
      message: `there is no decision point "${options.decision}"`,
      expected: decisions.length === 0 ? 'a name under auth.decisions, which is empty' : decisions.join(', '),
      suggestion: didYouMean(options.decision, decisions),
    });
  }
  for (const name of Object.keys(options.claims)) checkMappedHeader(name, [...path, 'claims', name], report);
  checkPermissions(options.permissions, [...path, 'permissions'], report);
  for (const [method, { permissions }] of Object.entries(options.methods ?? {})) {
    checkPermissions(permissions, [...path, 'methods', method, 'permissions'], report);
  }
  if (params !== null) checkConditions(options, path, params, report);
}

function checkPermissions(permissions: readonly string[], path: Path, report: Report): void {
  for (const [index, permission] of permissions.entries()) {
    const fault = permissionFault(permission);
    if (fault !== null) report.mistake({ path: [...path, index], message: fault });
  }
}

function checkConditions(options: Auth, path: Path, params: readonly string[], report: Report): void {
  const conditions: [string | undefined, Path][] = [
    [options.when, [...path, 'when']],
    ...Object.entries(options.methods ?? {}).map(([method, { when }]): [string | undefined, Path] => [
      when,
      [...path, 'methods', method, 'when'],
    ]),
  ];
  for (const [text, at] of conditions) {
    if (text === undefined) continue;
    const compiled = compileExpression(text, { paramNames: params, suggest: didYouMean });
    if (!('message' in compiled)) continue;
    const { message, at: offset, suggestion } = compiled;
    report.mistake({
      path: at,
      message: `${message} (at character ${offset + 1} of the condition)`,
      suggestion,
    });
  }
}

function checkBuiltins(routes: readonly DraftRoute[], auth: AuthConfig, report: Report): void {
  const sessions = Object.entries(auth.providers).flatMap(([name, { type }]) =>
    type === 'session' ? [name] : [],
  );
  for (const { index, route } of routes) {
    if (route?.builtin === undefined) continue;
    const path = ['routes', index, 'builtin'];
    const { action, provider } = route.builtin;
    if (action === 'services') {
      if (provider !== undefined)
        report.mistake({ path: [...path, 'provider'], at: 'key', message: 'services have no provider' });
    } else if (action === 'keys') {
      if (auth.context.jwt?.algorithm !== 'ES256') {
        report.mistake({
          path,
          message: 'there is no public key to publish',
          expected: 'auth.context.jwt with ES256',
        });
      }
    } else if (provider !== undefined && !sessions.includes(provider)) {
      report.mistake({
        path: [...path, 'provider'],
        message: `there is no session provider "${provider}"`,
        expected: sessions.length === 0 ? 'a provider with type: session' : `one of ${sessions.join(', ')}`,
        suggestion: didYouMean(provider, sessions),
      });
    } else if (provider === undefined && sessions.length !== 1) {
      report.mistake({
        path,
        message: `there are ${sessions.length} session providers`,
        expected: sessions.length === 0 ? 'a provider with type: session' : 'provider, which says for which',
      });
    }
  }
}
