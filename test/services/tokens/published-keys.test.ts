/** Keys that an issuer publishes, from a real issuer by way of the primary's own fetcher. */
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { PrimaryLink } from '../../../src/bus.ts';
import { Keys } from '../../../src/control/keys/keys.ts';
import type { Log } from '../../../src/observe/log.ts';
import { PrimaryKeys } from '../../../src/services/key-source.ts';
import type { MissingKey } from '../../../src/services/primary-answers.ts';
import type { JwtProvider } from '../../../src/services/tokens/jwt-provider.ts';
import { type Issuer, startIssuer } from '../../harness/issuer.ts';
import { createKey, encode } from '../../harness/issuer-keys.ts';
import { hmac, jwtConfig, pem, pool, provider, signed, tell } from './forge.ts';

const threads = pool();
afterAll(() => threads.close());

const SILENT = { info: () => {}, warn: () => {} } as unknown as Log;

interface House {
  readonly issuer: Issuer;
  readonly jwt: JwtProvider;
  readonly questions: (string | null)[];
  /** Milliseconds since 1970, for all but the issuer. */
  clock: number;
}

async function house(options: Record<string, unknown> = {}, known = true): Promise<House> {
  const issuer = await startIssuer();
  const config = jwtConfig({
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    jwks: issuer.jwksUrl,
    issuer: issuer.url,
    audience: 'any',
    ...options,
  });
  const time = { clock: Date.now() };
  const questions: (string | null)[] = [];
  const keys = new Keys({
    providers: { players: config },
    log: SILENT,
    now: () => time.clock,
    onChange: (set) => source.take(set),
  });
  onTestFinished(() => keys.close());
  const ask = (_: string, argument: { provider: string; missing: MissingKey }) => {
    questions.push(argument.missing.kid);
    return keys.ask(argument);
  };
  const source = new PrimaryKeys('players', { ask } as unknown as PrimaryLink);
  if (known) await source.refresh(null);
  questions.length = 0;
  const jwt = provider(config, { now: () => time.clock, keys: source, pool: () => threads });
  return Object.assign(time, { issuer, jwt, questions });
}

const many = (n: number, make: (i: number) => string) => Array.from({ length: n }, (_, i) => make(i));
const tally = (outcomes: readonly (string | null)[]) =>
  Object.fromEntries([...Map.groupBy(outcomes, String)].map(([outcome, all]) => [outcome, all.length]));

describe('published keys', () => {
  it('verify the tokens of their names', async () => {
    const { issuer, jwt, questions } = await house();
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      expect(await tell(jwt, issuer.mint({}, { alg }))).toBe('user alice');
      expect(await tell(jwt, issuer.mint({}, { alg, kid: null }))).toBe('user alice');
    }
    expect(questions).toEqual([]);
  });

  it('do not verify by another name or for another algorithm', async () => {
    const { issuer, jwt } = await house();
    const [rsa, ec] = [issuer.key('RS256'), issuer.key('ES256')];
    expect(await tell(jwt, issuer.mint({}, { alg: 'RS256', kid: ec.kid }))).toBe('401 algorithm');
    const input = `${encode({ alg: 'HS256', kid: rsa.kid })}.${encode({ iss: issuer.url })}`;
    expect(await tell(jwt, `${input}.${hmac(input, pem(rsa))}`)).toBe('401 algorithm');
    const forged = signed({ ...createKey('RS256'), kid: rsa.kid }, { iss: issuer.url, exp: 2e9 });
    expect(await tell(jwt, forged)).toBe('401 signature');
  });

  it('are waited for by the first tokens', async () => {
    const { issuer, jwt } = await house({}, false);
    issuer.faults.set('/jwks', { delayMs: 100 });
    const outcomes = await Promise.all(
      many(50, (i) => issuer.mint({ jti: `${i}` })).map((one) => tell(jwt, one)),
    );
    expect(tally(outcomes)).toEqual({ 'user alice': 50 });
    expect(issuer.hitsOf('/jwks')).toBe(1);
  });

  it('that cannot be had at all make 503, until they can', async () => {
    const home = await house({}, false);
    home.issuer.faults.set('/jwks', { status: 500 });
    const token = home.issuer.mint();
    expect(await tell(home.jwt, token)).toBe('503 keys-unavailable');
    home.issuer.faults.delete('/jwks');
    home.clock += 10_000;
    expect(await tell(home.jwt, token)).toBe('user alice');
  });
});

describe('a rotation', () => {
  it('loses no valid token, and costs one fetch', async () => {
    const { issuer, jwt } = await house();
    issuer.faults.set('/jwks', { delayMs: 50 });
    const before = issuer.hitsOf('/jwks');
    const old = many(500, (i) => issuer.mint({ jti: `old ${i}` }, { alg: 'ES256' }));
    issuer.rotate({ keepOld: true });
    const fresh = many(500, (i) => issuer.mint({ jti: `new ${i}` }, { alg: 'ES256' }));
    const mixed = old.flatMap((one, i) => [one, fresh[i]]);
    const outcomes = await Promise.all(mixed.map((one) => tell(jwt, one)));
    expect(tally(outcomes)).toEqual({ 'user alice': 1000 });
    expect(issuer.hitsOf('/jwks') - before).toBe(1);
  });

  it('that withdraws a key ends the tokens of that key, remembered or not, and no others', async () => {
    const { issuer, jwt } = await house();
    const withdrawn = issuer.mint();
    expect(await tell(jwt, withdrawn)).toBe('user alice');
    issuer.rotate();
    const fresh = issuer.mint();
    expect(await tell(jwt, fresh)).toBe('user alice');
    expect(await tell(jwt, withdrawn)).toBe('401 unknown-key');
    jwt.flush();
    expect(await tell(jwt, fresh)).toBe('user alice');
    expect(jwt.flush()).toMatchObject({ cacheHits: 1, cacheMisses: 0 });
  });

  it('while the issuer is down ends nothing', async () => {
    const { issuer, jwt } = await house();
    await issuer.down();
    expect(await tell(jwt, issuer.mint())).toBe('user alice');
    const unknown = issuer.mint({}, { kid: 'new' });
    expect(await tell(jwt, unknown)).toBe('401 unknown-key');
  });
});

describe('a flood of false names', () => {
  it('is one question and at most two fetches, and valid users do not notice', async () => {
    const { issuer, jwt, questions } = await house();
    const hits = issuer.hitsOf('/jwks');
    const [header, payload, signature] = issuer.mint({}, { alg: 'ES256' }).split('.');
    const kid = (i: number) =>
      encode({ ...JSON.parse(Buffer.from(header, 'base64url').toString()), kid: `no ${i}` });
    const good = many(100, (i) => issuer.mint({ jti: `${i}` }, { alg: 'ES256' }));
    const waiting: Promise<string | null>[] = [];
    for (let i = 0; i < 10_000; i++) {
      waiting.push(tell(jwt, `${kid(i)}.${payload}.${signature}`));
      if (i % 100 === 0) waiting.push(tell(jwt, good[i / 100]));
      if (i % 1000 === 0) await new Promise(setImmediate);
    }
    expect(tally(await Promise.all(waiting))).toEqual({ '401 unknown-key': 10_000, 'user alice': 100 });
    expect(questions).toHaveLength(1);
    expect(issuer.hitsOf('/jwks') - hits).toBeLessThanOrEqual(2);
  });

  it('may be followed by a true one as soon as the cool-down is over', async () => {
    const home = await house();
    expect(await tell(home.jwt, home.issuer.mint({}, { kid: 'no' }))).toBe('401 unknown-key');
    home.issuer.rotate();
    const token = home.issuer.mint();
    expect(await tell(home.jwt, token)).toBe('401 unknown-key');
    home.clock += 30_000;
    expect(await tell(home.jwt, token)).toBe('user alice');
  });

  it('of another issuer is not asked about', async () => {
    const { issuer, jwt, questions } = await house();
    for (const iss of ['https://other.example.com', undefined, 7]) {
      expect(await tell(jwt, issuer.mint({ iss }, { kid: 'no' }))).toBe('401 issuer');
    }
    expect(await tell(jwt, `${encode({ alg: 'RS256', kid: 'no' })}.AAAA.AAAA`)).toBe('401 malformed');
    expect(questions).toEqual([]);
  });
});

describe('a new key, for tokens that name none,', () => {
  it('is looked for once, when a token is not signed with those that are known', async () => {
    const { issuer, jwt, questions } = await house();
    const hits = issuer.hitsOf('/jwks');
    issuer.rotate();
    for (const alg of ['RS256', 'ES256']) {
      const tokens = many(200, (i) => issuer.mint({ jti: `${i}` }, { alg, kid: null }));
      expect(tally(await Promise.all(tokens.map((token) => tell(jwt, token))))).toEqual({
        'user alice': 200,
      });
    }
    expect(questions).toEqual([null]);
    expect(issuer.hitsOf('/jwks') - hits).toBe(1);
  });

  it('is not looked for by each false token', async () => {
    const home = await house();
    const { issuer, jwt } = home;
    const hits = issuer.hitsOf('/jwks');
    const foreign = createKey('RS256');
    const forge = (jti: string, iss = issuer.url) =>
      signed(foreign, { iss, aud: 'any', sub: 'eve', exp: 4e9, jti }, { kid: undefined });
    expect(await tell(jwt, forge('other', 'https://other.example.com'))).toBe('401 signature');
    expect(issuer.hitsOf('/jwks') - hits).toBe(0);
    const tokens = many(1000, (i) => forge(`${i}`));
    expect(tally(await Promise.all(tokens.map((token) => tell(jwt, token))))).toEqual({
      '401 signature': 1000,
    });
    expect(issuer.hitsOf('/jwks') - hits).toBe(1);
    // After the cool-down once more; a true one beside them is not kept waiting for it.
    home.clock += 30_000;
    expect(await tell(jwt, forge('later'))).toBe('401 signature');
    expect(issuer.hitsOf('/jwks') - hits).toBe(2);
    expect(await tell(jwt, issuer.mint({}, { kid: null }))).toBe('user alice');
  });
});
