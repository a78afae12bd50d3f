import { expect, onTestFinished, test } from 'vitest';
import type { JwtConfig } from '../../../src/config/schema/auth.ts';
import { Keys } from '../../../src/control/keys/keys.ts';
import type { Log } from '../../../src/observe/log.ts';
import type { KeySet } from '../../../src/services/primary-answers.ts';
import { eventually } from '../../harness/eventually.ts';
import { type Issuer, startIssuer } from '../../harness/issuer.ts';
import { startService } from '../../harness/service.ts';

const START = Date.UTC(2026, 0, 1);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

interface Watched {
  readonly keys: Keys;
  readonly changes: KeySet[];
  readonly log: { level: string; message: string; why?: string }[];
  clock: number;
  /** For a key of this name, or for any that these keys do not have. */
  ask(kid?: string | null, version?: number): Promise<KeySet>;
}

function config(jwks: string | undefined, issuer?: string): JwtConfig {
  return {
    type: 'jwt',
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    jwks,
    issuer: issuer === undefined ? null : [issuer],
  } as unknown as JwtConfig;
}

function watchKeys(providers: Record<string, JwtConfig>): Watched {
  const log: Watched['log'] = [];
  const write = (level: string) => (fields: { why?: string }, message: string) =>
    log.push({ level, message, why: fields.why });
  const changes: KeySet[] = [];
  const time = { clock: START };
  const keys = new Keys({
    providers,
    log: { info: write('info'), warn: write('warn') } as unknown as Log,
    now: () => time.clock,
    random: () => 0,
    onChange: (set) => changes.push(set),
  });
  onTestFinished(() => keys.close());
  return Object.assign(time, {
    keys,
    changes,
    log,
    ask: (kid = null, version = 0) => keys.ask({ provider: 'players', missing: { kid, version } }),
  });
}

async function watchIssuer(): Promise<Watched & { issuer: Issuer }> {
  const issuer = await startIssuer();
  const watched = watchKeys({ players: config(issuer.jwksUrl) });
  return Object.assign(watched, { issuer });
}

const kids = ({ keys }: KeySet) => keys.map(({ kid }) => kid);

test('fetches the keys at once, and answers from memory from then on', async () => {
  const { issuer, ask, changes } = await watchIssuer();
  const [set] = await Promise.all([ask(), ask(), ask()]);
  expect(set).toMatchObject({ provider: 'players', version: 1, fetchedAt: START, quietUntil: 0 });
  expect(kids(set)).toEqual(issuer.keys.map(({ kid }) => kid));
  await ask();
  expect(issuer.hitsOf('/jwks')).toBe(1);
  expect(changes).toHaveLength(1);
});

test('finds the keys by discovery', async () => {
  const issuer = await startIssuer();
  const { ask } = watchKeys({ players: config(undefined, issuer.url) });
  expect(kids(await ask())).toEqual(issuer.keys.map(({ kid }) => kid));
});

test('refuses a discovery document of another issuer', async () => {
  const issuer = await startIssuer();
  issuer.faults.set('/.well-known/openid-configuration', {
    body: JSON.stringify({ issuer: 'https://other.example.com', jwks_uri: issuer.jwksUrl }),
  });
  const { ask } = watchKeys({ players: config(undefined, issuer.url) });
  await expect(ask()).rejects.toThrow('of another issuer');
});

test('fetches once for a thousand tokens with the key of a rotation', async () => {
  const { issuer, ask, changes } = await watchIssuer();
  await ask();
  issuer.rotate();
  issuer.faults.set('/jwks', { delayMs: 50 });
  const { kid } = issuer.key('RS256');
  const sets = await Promise.all(Array.from({ length: 1000 }, () => ask(kid)));
  expect(sets.every((set) => kids(set).includes(kid))).toBe(true);
  expect(issuer.hitsOf('/jwks')).toBe(2);
  expect(changes.map(({ version }) => version)).toEqual([1, 2]);
});

test('fetches once in 30 seconds for ten thousand false kids', async () => {
  const watched = await watchIssuer();
  const { issuer, ask } = watched;
  await ask();
  const sets = await Promise.all(Array.from({ length: 10_000 }, (_, i) => ask(`false-${i}`)));
  expect(sets.every(({ version }) => version === 1)).toBe(true);
  expect(sets[0].quietUntil).toBe(START + 30 * SECOND);
  expect(issuer.hitsOf('/jwks')).toBe(2);
  watched.clock += 30 * SECOND - 1;
  await ask('false');
  expect(issuer.hitsOf('/jwks')).toBe(2);
  watched.clock += 1;
  await ask('false');
  expect(issuer.hitsOf('/jwks')).toBe(3);
});

test('asks for a key without a name once: whoever has older keys gets those there are', async () => {
  const { issuer, ask } = await watchIssuer();
  const { version } = await ask();
  issuer.rotate();
  const sets = await Promise.all(Array.from({ length: 100 }, () => ask(null, version)));
  expect(new Set(sets.map((set) => set.version))).toEqual(new Set([version + 1]));
  expect((await ask(null, version)).version).toBe(version + 1);
  // Not before the cool-down is over.
  expect((await ask(null, version + 1)).version).toBe(version + 1);
  expect(issuer.hitsOf('/jwks')).toBe(2);
});

test('a regular fetch does not keep the one for an unknown kid from happening', async () => {
  const watched = await watchIssuer();
  const { issuer, ask, keys } = watched;
  await ask();
  watched.clock += 10 * MINUTE;
  await keys.tick();
  issuer.rotate();
  const { kid } = issuer.key('ES256');
  expect(kids(await ask(kid))).toContain(kid);
});

test('asks again when a fetch that was under way brings keys of before a rotation', async () => {
  const watched = await watchIssuer();
  const { issuer, ask, keys } = watched;
  await ask();
  const before = await (await fetch(issuer.jwksUrl)).text();
  issuer.rotate();
  issuer.faults.set('/jwks', { delayMs: 50, body: before });
  watched.clock += 10 * MINUTE;
  const regular = keys.tick().then(() => issuer.faults.delete('/jwks'));
  const { kid } = issuer.key('RS256');
  const asked = ask(kid);
  await regular;
  expect(kids(await asked)).toContain(kid);
});

test('does not hammer an issuer that fails when kids are unknown', async () => {
  const watched = await watchIssuer();
  const { issuer, ask } = watched;
  const { version } = await ask();
  issuer.faults.set('/jwks', { status: 500 });
  for (let i = 0; i < 20; i++) expect((await ask(`false-${i}`)).version).toBe(version);
  expect(issuer.hitsOf('/jwks')).toBe(2);
  watched.clock += 5 * SECOND;
  await ask('false');
  expect(issuer.hitsOf('/jwks')).toBe(3);
});

const FAILURES = {
  'an error': [{ status: 503, body: '{"keys":[]}' }, 'status 503'],
  'a redirect': [{ status: 302, headers: { location: 'http://127.0.0.1:1/' } }, 'status 302'],
  'no JSON': [{ body: '<html>' }, 'not JSON'],
  'JSON without keys': [{ body: '{"keys":{}}' }, 'not a JWK Set'],
  'JSON that is null': [{ body: 'null' }, 'not a JWK Set'],
  'no usable key': [{ body: '{"keys":[{"kty":"oct","k":"AAAA"},7,null,{"kty":"RSA"}]}' }, 'no key'],
  'more than 1 MiB': [{ body: `{"keys":[],"x":"${'x'.repeat(1_048_576)}"}` }, '1 MiB'],
  'a broken connection': [{ cut: true }, 'no connection'],
} as const;

test.each(Object.entries(FAILURES))(
  'keeps the old keys when the issuer answers with %s',
  async (_, [fault, why]) => {
    const watched = await watchIssuer();
    const { issuer, ask, keys, log } = watched;
    const { version } = await ask();
    issuer.faults.set('/jwks', fault);
    for (let i = 0; i < 3; i++) {
      watched.clock += HOUR;
      await keys.tick();
    }
    expect((await ask()).version).toBe(version);
    expect(log).toEqual([
      { level: 'warn', message: 'keys of the issuer cannot be fetched', why: expect.stringContaining(why) },
    ]);
    issuer.faults.clear();
    watched.clock += HOUR;
    await keys.tick();
    expect(log).toHaveLength(2);
    expect(log[1]).toMatchObject({ level: 'info', message: 'issuer publishes its keys again' });
  },
);

test('rejects while there never were keys, tries again after 5 seconds, and heals', async () => {
  const issuer = await startIssuer();
  await issuer.down();
  const watched = watchKeys({ players: config(issuer.jwksUrl) });
  const { ask } = watched;
  await expect(ask()).rejects.toThrow('the keys of "players" cannot be had: no connection: ECONNREFUSED');
  await issuer.up();
  await expect(ask()).rejects.toThrow('cannot be had');
  watched.clock += 5 * SECOND;
  expect((await ask()).version).toBe(1);
});

test('waits longer after each failure', async () => {
  const watched = await watchIssuer();
  const { issuer, ask, keys } = watched;
  await ask();
  issuer.faults.set('/jwks', { status: 500 });
  watched.clock += 10 * MINUTE;
  await keys.tick();
  const waits: number[] = [];
  for (let last = watched.clock, seen = issuer.hitsOf('/jwks'); waits.length < 8; ) {
    watched.clock += SECOND;
    await keys.tick();
    if (issuer.hitsOf('/jwks') === seen) continue;
    seen = issuer.hitsOf('/jwks');
    waits.push((watched.clock - last) / SECOND);
    last = watched.clock;
  }
  expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
});

test.each([
  ['max-age=1', 60],
  ['max-age=120', 120],
  ['public, Max-Age=3600, must-revalidate', 3600],
  ['max-age=9999999', 24 * 3600],
  ['no-cache', 600],
  ['s-maxage=5', 600],
])('fetches again in the time that "%s" says, within bounds', async (cacheControl, seconds) => {
  const issuer = await startIssuer();
  issuer.faults.set('/jwks', { headers: { 'cache-control': cacheControl } });
  const watched = watchKeys({ players: config(issuer.jwksUrl) });
  await watched.ask();
  watched.clock += seconds * SECOND - 1;
  await watched.keys.tick();
  expect(issuer.hitsOf('/jwks')).toBe(1);
  watched.clock += 1;
  await watched.keys.tick();
  expect(issuer.hitsOf('/jwks')).toBe(2);
});

test('gives up on an issuer that does not answer', async () => {
  const { ask } = await (async () => {
    const issuer = await startIssuer();
    issuer.faults.set('/jwks', { hang: true });
    return watchKeys({ players: config(issuer.jwksUrl) });
  })();
  await expect(ask()).rejects.toThrow('no answer in time');
}, 10_000);

test('passes on public members of keys that can verify, and nothing else', async () => {
  const issuer = await startIssuer({ algorithms: ['RS256', 'ES256', 'PS256'] });
  const [rsa, ec, pss] = JSON.parse(await (await fetch(issuer.jwksUrl)).text()).keys;
  const listed = [
    { ...rsa, d: 'private', x5c: ['certificate'], x5u: 'http://evil' },
    { ...ec, use: 'enc', kid: 'for encryption' },
    { ...ec, key_ops: ['sign'], kid: 'for signing' },
    { ...ec, key_ops: ['verify'], use: undefined, kid: 'ops' },
    { ...ec, x: 'AAAA', kid: 'off the curve' },
    { ...ec, crv: 'secp256k1', kid: 'other curve' },
    { ...rsa, kid: 7 },
    { ...rsa, n: 'AQAB', kid: 'short' },
    { kty: '__proto__', kid: 'odd' },
    pss,
  ];
  const service = await startService((_, response) => response.end(JSON.stringify({ keys: listed })));
  const { ask } = watchKeys({ players: config(service.url) });
  const { keys } = await ask();
  expect(kids({ keys } as KeySet)).toEqual([rsa.kid, 'ops']);
  expect(Object.keys(keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
});

test('keeps keys over a reload when they come from where they came from', async () => {
  const issuer = await startIssuer();
  const other = await startIssuer();
  const watched = watchKeys({ players: config(issuer.jwksUrl), rest: config(issuer.jwksUrl) });
  const { keys, ask } = watched;
  await ask();
  await eventually(() => keys.ages().size === 2);
  watched.clock += 5 * SECOND;
  expect(keys.ages()).toEqual(
    new Map([
      ['players', 5],
      ['rest', 5],
    ]),
  );
  const hits = issuer.hitsOf('/jwks');
  keys.follow({ players: config(issuer.jwksUrl), others: config(other.jwksUrl) });
  await ask();
  expect(issuer.hitsOf('/jwks')).toBe(hits);
  await expect(keys.ask({ provider: 'rest', missing: { kid: null, version: 0 } })).rejects.toThrow(
    'no published keys',
  );
  expect(kids(await keys.ask({ provider: 'others', missing: { kid: null, version: 0 } }))).toContain(
    other.keys[0].kid,
  );
  keys.follow({ players: config(other.jwksUrl) });
  expect(kids(await ask())).toContain(other.keys[0].kid);
});

test('leaves providers with static keys alone', async () => {
  const { keys, ask } = watchKeys({
    players: { ...config(undefined), secret: [{ text: 'x' }] } as JwtConfig,
  });
  await expect(ask()).rejects.toThrow('no published keys');
  expect(keys.ages().size).toBe(0);
});
