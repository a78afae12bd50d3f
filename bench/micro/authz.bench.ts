/**
 * How long it takes to decide whether a caller may: roles, permissions, conditions, remembered answers of a decision
 * point. `node bench/micro/authz.bench.ts` after a build. Exits with 1 when a mean passes its bar.
 */
type CompileModule = typeof import('../../src/services/authz/expression/compile.ts');
type DecisionModule = typeof import('../../src/services/authz/decision.ts');
type DemandsModule = typeof import('../../src/services/authz/demands.ts');
type ExchangeModule = typeof import('../../src/exchange.ts');
type RolesModule = typeof import('../../src/services/authz/roles.ts');
type Exchange = InstanceType<ExchangeModule['Exchange']>;
type Demands = Parameters<DemandsModule['compileDemands']>[0];
type Identity = import('../../src/services/identity.ts').Identity;

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { Exchange } = (await built('exchange')) as ExchangeModule;
const { RoleTable } = (await built('services/authz/roles')) as RolesModule;
const { compileDemands } = (await built('services/authz/demands')) as DemandsModule;
const { compileExpression, isFault } = (await built('services/authz/expression/compile')) as CompileModule;
const { DecisionPoint } = (await built('services/authz/decision')) as DecisionModule;

const ROLES = 200;
const PERMISSIONS = 50;
/** Callers that take turns: what is remembered for one does not help with the next. */
const CALLERS = 1000;
const CALLS = 200_000;
const ROUNDS = 10;

const permission = (i: number) => `area-${i % 10}:thing-${i}:write`;
const roles = Object.fromEntries(
  Array.from({ length: ROLES }, (_, r) => [
    `role-${r}`,
    Array.from({ length: PERMISSIONS }, (_, p) =>
      (r + p) % 5 === 0
        ? `area-${p % 10}:*:write`
        : (r + p) % 7 === 0
          ? `!area-x:thing-${p}:*`
          : permission(p),
    ),
  ]),
);
const table = new RoleTable(roles);
const all = Array.from({ length: PERMISSIONS }, (_, i) => permission(i));
const scope = { paramNames: ['id'] };

function caller(i: number, held: number): Exchange {
  const identity: Identity = Object.freeze({
    method: 'jwt',
    provider: 'players',
    user: `user-${i}`,
    consumer: '',
    roles: Array.from({ length: held }, (_, r) => `role-${(i + r) % ROLES}`),
    scopes: ['orders:read', 'orders:write'],
    plan: '',
    keyId: '',
    claims: { sub: `${i}`, desk: 'fx', level: 3, org: { id: 'acme' }, groups: ['a', 'b', 'c'] },
    expiresAt: Number.POSITIVE_INFINITY,
  });
  return Object.assign(new Exchange(0), {
    method: 'POST',
    path: `/orders/${i}`,
    query: 'page=2&sort=price',
    host: 'api.example.com',
    headers: ['accept', '*/*', 'user-agent', 'bench', 'x-desk', 'fx'],
    clientIp: `10.1.${i >> 8}.${i & 255}`,
    params: [`${i}`],
    route: { name: 'orders', paramNames: ['id'] },
    identity,
  });
}

const callers = (held: number) => Array.from({ length: CALLERS }, (_, i) => caller(i, held));
const few = callers(3);
const many = callers(ROLES);

interface Work {
  title: string;
  /** Microseconds; Infinity: for information. */
  bar: number;
  callers: readonly Exchange[];
  /** How many roles each has when every one is to be seen for the first time. */
  fresh?: number;
  decide: (x: Exchange) => boolean;
  /** By another way: proves that the bench measures what it says. */
  allows: (x: Exchange) => boolean;
}

function demanding(title: string, held: readonly Exchange[], demands: Demands, fresh?: number): Work {
  const check = compileDemands(demands, table, scope);
  if (check === null) throw new Error('nothing is demanded');
  const { roles: wanted, permissions = [], scopes = [] } = demands;
  const each = permissions.map((one) => table.demand([one]));
  return {
    title: `${title}, caller with ${held[0].identity?.roles.length} roles${fresh ? ', seen for the first time' : ''}`,
    // Deciding for many roles happens once for an identity, which many requests share.
    bar: fresh === ROLES ? Number.POSITIVE_INFINITY : 1,
    callers: held,
    ...(fresh !== undefined && { fresh }),
    decide: (x) => check(x, x.identity as Identity) === null,
    allows: ({ identity }) =>
      (wanted === undefined || wanted.some((role) => identity?.roles.includes(role))) &&
      scopes.every((scope) => identity?.scopes.includes(scope)) &&
      each.every((one) => one.allows(identity?.roles ?? [])),
  };
}

function condition(text: string): Work {
  const compiled = compileExpression(text, scope);
  if (isFault(compiled)) throw new Error(compiled.message);
  return { title: text, bar: 1, callers: few, decide: (x) => compiled.test(x), allows: () => true };
}

const point = new DecisionPoint(
  'policy',
  { url: 'http://127.0.0.1:1/', timeout: 10, onError: 'deny', maxTtl: 3_600_000, headers: {} },
  async () => ({ status: 200, headers: {}, body: Buffer.from('{"allow":true,"ttl":3600}') }),
  Date.now,
);
for (const x of few) await point.ask(x, x.identity as Identity);

const one = { permissions: [all[0]] };
const fifty = { permissions: all };
const WORK: Work[] = [
  demanding('one permission', few, one),
  demanding('50 permissions', few, fifty),
  demanding('one permission', many, one),
  demanding('50 permissions', many, fifty),
  demanding('one permission', few, one, 3),
  demanding('50 permissions', few, fifty, 3),
  demanding('one permission', many, one, ROLES),
  demanding('50 permissions', many, fifty, ROLES),
  demanding('one of three roles', few, { roles: ['role-1', 'role-2', 'role-3'] }),
  demanding('two scopes', few, { scopes: ['orders:read', 'orders:write'] }),
  condition('param.id == claim.sub'),
  condition("role in ['admin', 'support'] || (claim.desk == header.x-desk && method == 'POST')"),
  condition("inNetwork(client.ip, '10.0.0.0/8')"),
  condition("claim.org.id == 'acme' && claim.level >= 3 && 'b' in claim.groups && query.page == '2'"),
  {
    title: 'decision point, remembered',
    bar: 6,
    callers: few,
    decide: (x) => point.ask(x, x.identity as Identity) === null,
    allows: () => true,
  },
];

console.log(
  `${ROLES} roles x ${PERMISSIONS} permissions, ${CALLERS} callers in turn, best of ${ROUNDS} rounds`,
);
console.log(`${'us'.padStart(8)}${'bar'.padStart(6)}  what`);
let failed = false;
for (const work of WORK) {
  const share = work.callers.filter(work.allows).length / CALLERS;
  const us = Math.min(...Array.from({ length: ROUNDS }, () => round(work, share)));
  if (us > work.bar) failed = true;
  const bar = Number.isFinite(work.bar) ? String(work.bar) : '';
  console.log(`${us.toFixed(3).padStart(8)}${bar.padStart(6)}  ${work.title}`);
}
if (failed) console.error('a mean is above its bar');
process.exitCode = failed ? 1 : 0;

/** Mean microseconds of a decision. */
function round({ callers: known, fresh, decide, title }: Work, share: number): number {
  const asked = fresh === undefined ? known : callers(fresh);
  const calls = fresh === undefined ? CALLS : CALLERS;
  let allowed = 0;
  const before = performance.now();
  for (let i = 0; i < calls; i++) if (decide(asked[i % CALLERS])) allowed++;
  const us = ((performance.now() - before) * 1000) / calls;
  const expected = share * calls;
  if (allowed !== expected) throw new Error(`"${title}" allows ${allowed} of ${calls}, not ${expected}`);
  return us;
}
