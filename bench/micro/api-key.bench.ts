/**
 * What an API key costs a worker: remembered, read from the store, and wrong; and what the store costs by itself:
 * `node bench/micro/api-key.bench.ts` after a build. Exits with 1 when a figure passes its bar.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Exchange } from '../../src/exchange.ts';

type ExchangeModule = typeof import('../../src/exchange.ts');
type FormModule = typeof import('../../src/services/keys/api-key.ts');
type ProviderModule = typeof import('../../src/services/keys/api-key-provider.ts');
type EmbeddedModule = typeof import('../../src/services/store/embedded.ts');
type ReplicaModule = typeof import('../../src/services/store/replica.ts');
type WatchModule = typeof import('../../src/services/store/store-watch.ts');

const built = (file: string) => import(new URL(`../../dist/${file}.js`, import.meta.url).href);
const { Exchange: ExchangeClass } = (await built('exchange')) as ExchangeModule;
const { hashOf, newKey, newKeyId } = (await built('services/keys/api-key')) as FormModule;
const { ApiKeyProvider } = (await built('services/keys/api-key-provider')) as ProviderModule;
const { openReader } = (await built('services/store/embedded')) as EmbeddedModule;
const { openStore } = (await built('services/store/replica')) as ReplicaModule;
const { StoreWatch } = (await built('services/store/store-watch')) as WatchModule;

const KEYS = 10_000;
/** Other programs can only make a round slower, so the best one is the truest. */
const ROUNDS = 15;

const data = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
const store = await openStore({ data, redis: null, now: Date.now });
await store.put('consumer', 'acme', {
  ...{
    name: 'acme',
    plan: 'gold',
    roles: ['partner'],
    scopes: [],
    enabled: true,
    description: '',
    createdAt: 0,
  },
});
const keys: string[] = [];
for (let i = 0; i < KEYS; i++) {
  const id = newKeyId();
  const key = newKey('live', id);
  keys.push(key);
  const secrets = [{ hash: hashOf(key).toString('hex'), createdAt: 1_800_000_000_000, expiresAt: null }];
  await store.quiet('key', id, {
    ...{
      id,
      env: 'live',
      consumer: 'acme',
      name: `key ${i}`,
      secrets,
      roles: ['trader'],
      scopes: [],
      plan: '',
    },
    ...{
      networks: i % 2 === 0 ? [] : ['10.0.0.0/8', `192.0.2.${i % 200}`],
      expiresAt: null,
      revokedAt: null,
      createdAt: 1_800_000_000_000,
    },
  });
}
const reader = openReader(data);
const watch = new StoreWatch(reader);
const provider = (cache: number) =>
  new ApiKeyProvider(
    'partners',
    { type: 'apiKey', header: 'x-api-key', cache },
    { now: Date.now, store: reader, watch },
  );

const raw = keys.map((key) => Buffer.from(key));
const wrong = keys.map((key) => Buffer.from(newKey('live', key.split('_')[2])));

/** The strings of a request come fresh from the socket: their hashes are not known yet. */
function requests(values: readonly Buffer[]): Exchange[] {
  return values.map((value) => {
    const x = new ExchangeClass(0);
    x.clientIp = '10.1.2.3';
    x.headers = [
      ...['accept', '*/*', 'user-agent', 'bench', 'accept-encoding', 'gzip', 'x-trace', 'abc'],
      ...['x-api-key', value.toString('latin1')],
    ];
    return x;
  });
}

const remembering = provider(2 * KEYS);
const forgetful = provider(0);
const ids = keys.map((key) => key.split('_')[2]);

console.log(`${KEYS} keys, microseconds, best of ${ROUNDS} rounds`);
measure(
  'a key that is remembered',
  2,
  () => requests(raw),
  (x) => is(x, remembering.authenticate(x), 'method'),
);
measure(
  'a key from the store',
  15,
  () => requests(raw),
  (x) => is(x, forgetful.authenticate(x), 'method'),
);
measure(
  'a wrong key',
  15,
  () => requests(wrong),
  (x) => is(x, forgetful.authenticate(x), 'failure'),
);
measure(
  'a record from the store',
  5,
  () => ids,
  (id) => is(id, reader.get<object>('key', id) ?? null, 'env'),
);
measure(
  'the revision',
  1,
  () => ids,
  () => reader.revision(),
);

watch.close();
await reader.close();
await store.close();
rmSync(data, { recursive: true });

function is(asked: unknown, found: object | null | Promise<unknown>, member: string): void {
  if (found === null || !(member in found))
    throw new Error(`not what was expected for ${JSON.stringify(asked)}`);
}

function measure<T>(
  title: string,
  bar: number,
  prepare: () => readonly T[],
  action: (item: T) => unknown,
): void {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const items = prepare();
    const before = performance.now();
    for (let i = 0; i < items.length; i++) action(items[i]);
    best = Math.min(best, ((performance.now() - before) * 1000) / items.length);
  }
  console.log(`${best.toFixed(2).padStart(8)}  ${title} (at most ${bar})`);
  if (best > bar) process.exitCode = 1;
}
