/** The table of cases that `sluice authz test` runs: who, method, path → allow or deny. */
import { isIP } from 'node:net';
import type { Complaint, Path } from '../../config/mistakes.js';
import { TOKEN } from '../../listen/method.js';
import { normalHost } from '../../route/host.js';
import { validQuery } from '../../route/path.js';
import { Fields } from './fields.js';

/** Who is calling, as the table says. What it leaves out is empty. */
export interface Actor {
  readonly user: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly consumer: string;
  readonly plan: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** How the caller shows who it is; absent: by the first way in that the route has. */
  readonly method?: string;
  readonly provider?: string;
}

export interface Case {
  /** Position in the table, from 0. */
  readonly index: number;
  readonly name: string;
  /** null: anonymous. */
  readonly as: Actor | null;
  readonly method: string;
  /** As a client would write it. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly host: string;
  /** Flat; names in lower case, values as Latin-1 bytes. */
  readonly headers: readonly string[];
  readonly client: string;
  readonly expect: 'allow' | 'deny';
  /** Why it is denied, if that is expected, too. */
  readonly reason?: string;
  /** What external decision points say. */
  readonly decision: 'allow' | 'deny';
}

/** Why a case can end with deny. The first four of a request that reaches no route's demands. */
export const REASONS = [
  'path',
  'route',
  'method',
  'missing',
  'role',
  'scope',
  'permission',
  'condition',
  'decision',
] as const;

const METHODS = ['jwt', 'apiKey', 'introspection', 'session'] as const;

const CASE_MEMBERS = 'name, as, method, path, host, headers, query, client, expect, reason, decision'.split(
  ', ',
);
const ACTOR_MEMBERS = 'user, roles, scopes, consumer, plan, claims, method, provider'.split(', ');

/** Tells all that is wrong with the table to `complain`; the cases make sense only when that was nothing. */
export function readCases(
  table: unknown,
  providers: readonly string[],
  complain: (complaint: Complaint) => void,
): Case[] {
  if (!Array.isArray(table) || table.length === 0) {
    const message = Array.isArray(table) || table === null ? 'the table is empty' : 'the file holds no list';
    complain({ path: [], message, expected: 'a list of cases' });
    return [];
  }
  return table.map((value, index) => readCase(value, index, providers, complain));
}

function readCase(
  value: unknown,
  index: number,
  providers: readonly string[],
  complain: (complaint: Complaint) => void,
): Case {
  const fields = new Fields(value, [index], CASE_MEMBERS, complain);
  const as = readActor(fields, providers);
  const method = fields.text('method', '', { required: true });
  if (method !== '' && !TOKEN.test(method)) fields.wrong('method', 'is no method', 'GET, POST or the like');
  const { path, query } = readTarget(fields);
  const host = fields.text('host', 'localhost');
  if (normalHost(host) === '') fields.wrong('host', 'is no host', 'a name, with or without a port');
  const client = fields.text('client', '127.0.0.1');
  if (isIP(client) === 0) fields.wrong('client', 'is no address', 'an IPv4 or IPv6 address');
  const expect = fields.oneOf('expect', ['allow', 'deny'], { required: true }) ?? 'deny';
  const reason = fields.oneOf('reason', REASONS);
  if (reason !== undefined && expect === 'allow') {
    fields.wrong('reason', 'says why, and the case is to be allowed', 'expect: deny');
  }
  return {
    index,
    name: fields.text('name', `${method} ${path} as ${nameOf(as)}`),
    as,
    method,
    path,
    query,
    host,
    headers: readHeaders(fields),
    client,
    expect,
    ...(reason !== undefined && { reason }),
    decision: fields.oneOf('decision', ['allow', 'deny']) ?? 'allow',
  };
}

function readActor(holder: Fields, providers: readonly string[]): Actor | null {
  const value = holder.value('as');
  if (value === 'anonymous') return null;
  const at: Path = [...holder.path, 'as'];
  if (typeof value !== 'object') {
    const message = value === undefined ? 'as is missing' : 'is neither a mapping nor anonymous';
    holder.complain({
      path: value === undefined ? holder.path : at,
      message,
      expected: 'anonymous, or a mapping',
    });
    return null;
  }
  const fields = new Fields(value, at, ACTOR_MEMBERS, holder.complain);
  const method = fields.oneOf('method', METHODS);
  const provider = fields.oneOf('provider', providers);
  return {
    user: fields.text('user', ''),
    roles: fields.texts('roles'),
    scopes: fields.texts('scopes'),
    consumer: fields.text('consumer', ''),
    plan: fields.text('plan', ''),
    claims: fields.mapping('claims'),
    ...(method !== undefined && { method }),
    ...(provider !== undefined && { provider }),
  };
}

function nameOf(as: Actor | null): string {
  return as === null ? 'anonymous' : as.user || as.consumer || as.roles.join(', ') || 'somebody';
}

/** The query stands behind the path, or on its own as a text or a mapping. */
function readTarget(fields: Fields): { path: string; query: string } {
  const target = fields.text('path', '', { required: true });
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (target !== '' && !path.startsWith('/')) fields.wrong('path', 'is no path', 'a path that begins with /');
  const value = fields.value('query');
  let query = mark < 0 ? '' : target.slice(mark + 1);
  if (value !== undefined) {
    if (mark >= 0) fields.wrong('query', 'stands behind the path already', 'one query');
    query = typeof value === 'object' ? queryOf(fields.mapping('query')) : fields.text('query', '');
  }
  if (!validQuery(query)) {
    fields.wrong(
      value === undefined ? 'path' : 'query',
      'has characters that a query cannot have',
      'visible ASCII without #',
    );
  }
  return { path, query };
}

/** A list gives a parameter several times. */
function queryOf(parameters: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  return query.toString();
}

function readHeaders(fields: Fields): string[] {
  return Object.entries(fields.mapping('headers')).flatMap(([name, value]) => {
    if (!TOKEN.test(name))
      fields.wrong('headers', `has "${name}", which is no name of a header`, 'letters, digits, -');
    const values = Array.isArray(value) ? value : [value];
    return values.flatMap((one) => [name.toLowerCase(), Buffer.from(String(one), 'utf8').toString('latin1')]);
  });
}
