/**
 * What a token costs the worker's own thread: one that is remembered, one by a shared secret, and new ones by public keys
 * in batches, whose signatures other threads verify: `node bench/micro/token.bench.ts` after a build. Exits with 1 when a
 * bar is passed.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import type { JwtConfig } from '../../src/config/schema/auth.ts';
import type { Exchange as ExchangeOf } from '../../src/exchange.ts';
import type { Outcome } from '../../src/services/identity.ts';

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { auth } = (await built('config/schema/auth')) as typeof import('../../src/config/schema/auth.ts');
const { Exchange } = (await built('exchange')) as typeof import('../../src/exchange.ts');
const { JwtProvider } = (await built(
  'services/tokens/jwt-provider',
)) as typeof import('../../src/services/tokens/jwt-provider.ts');
const { VerifyPool } = (await built(
  'services/threads/pool',
)) as typeof import('../../src/services/threads/pool.ts');

/** Distinct tokens that are live. */
const LIVE = 1000;
/** Distinct tokens that are new. */
const NEW = 512;
const ROUNDS = 30;
const SECRET = 'a secret of forty-eight bytes, enough for HS384!';
const ISSUER = 'https://id.example.com';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pool = new VerifyPool({ threads: 1, maxQueue: 10_000 });
const now = Date.now();

/**
 * Microseconds. The cost of a request that comes with a token is in them: its fields and its exchange; and for batches that
 * of the event loop, which falls asleep after each one.
 */
const BARS = { cached: 1.5, hs256: 10, batch16: 8, batch32: 8 };

let failed = false;
console.log('microseconds of the worker for each token, best of the rounds');

const hs = provider({ algorithms: ['HS256'], secret: SECRET });
const live = fields(LIVE, hsToken);
await measureHere('remembered (1,000 live)', hs, () => live, BARS.cached);
const forgetful = provider({ algorithms: ['HS256'], secret: SECRET, cache: { entries: 0 } });
await measureHere('new, HS256', forgetful, () => live, BARS.hs256);

const unseen = fields(NEW, rsToken);
for (const [size, bar] of [[1], [8], [16, BARS.batch16], [32, BARS.batch32], [64]] as const) {
  await measureBatches(`new, RS256, ${size} at a time`, size, bar ?? Number.POSITIVE_INFINITY);
}
await pool.close();
process.exitCode = failed ? 1 : 0;

async function measureHere(title: string, jwt: Provider, make: () => Buffer[], bar: number): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const requests = make();
    const before = performance.now();
    for (const field of requests) expectUser(jwt.authenticate(exchange(field)) as Outcome);
    best = Math.min(best, ((performance.now() - before) * 1000) / requests.length);
  }
  report(title, best, bar);
}

/** By the time this thread was busy: the threads that verify have their own. Each round has a provider that knows nothing. */
async function measureBatches(title: string, size: number, bar: number): Promise<void> {
  const publicKey = rsa.publicKey.export({ type: 'spki', format: 'pem' });
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const jwt = provider({ algorithms: ['RS256'], publicKey });
    const start = process.threadCpuUsage();
    for (let from = 0; from < NEW; from += size) {
      const batch = unseen.slice(from, from + size);
      const outcomes = await Promise.all(batch.map((field) => jwt.authenticate(exchange(field))));
      for (const outcome of outcomes) expectUser(outcome);
    }
    const { user, system } = process.threadCpuUsage(start);
    best = Math.min(best, (user + system) / NEW);
  }
  report(title, best, bar);
}

type Provider = InstanceType<typeof JwtProvider>;

function provider(options: object): Provider {
  const config = { type: 'jwt', issuer: ISSUER, audience: 'any', ...options };
  const parsed = auth.parse({ providers: { players: config } }).providers.players as JwtConfig;
  return new JwtProvider('players', parsed, {
    now: () => now,
    keys: null,
    pool: () => pool,
    revocations: null,
  });
}

/** As the listener makes one: each field a new text. */
function exchange(field: Buffer): ExchangeOf {
  const x = new Exchange(0);
  x.headers = [
    'host',
    'example.com',
    'accept',
    '*/*',
    'user-agent',
    'bench',
    'authorization',
    field.toString('latin1'),
  ];
  return x;
}

function fields(n: number, make: (i: number) => string): Buffer[] {
  return Array.from({ length: n }, (_, i) => Buffer.from(`Bearer ${make(i)}`));
}

function payload(id: number): object {
  const iat = Math.floor(now / 1000);
  const person = { sub: `user-${id}`, roles: ['trader', 'viewer'], scope: 'orders:read orders:write' };
  return { iss: ISSUER, aud: 'https://api.example.com', iat, exp: iat + 300, jti: `${id}`, ...person };
}

function hsToken(i: number): string {
  const input = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(payload(i))}`;
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

function rsToken(i: number): string {
  const input = `${encode({ alg: 'RS256', typ: 'JWT', kid: 'key-1' })}.${encode(payload(i))}`;
  return `${input}.${sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function expectUser(outcome: Outcome): void {
  if (outcome === null || !('method' in outcome))
    throw new Error(`a good token is refused: ${JSON.stringify(outcome)}`);
}

function report(title: string, us: number, bar: number): void {
  const passed = us <= bar;
  failed ||= !passed;
  console.log(`${us.toFixed(2).padStart(8)}  ${title}${passed ? '' : `: above ${bar}`}`);
}
