import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Exchange } from '../../../src/exchange.ts';
import { newKey, newKeyId } from '../../../src/services/keys/api-key.ts';
import { ApiKeyProvider } from '../../../src/services/keys/api-key-provider.ts';
import { ApiKeys, type KeyWish, type NewKey } from '../../../src/services/records/api-keys.ts';
import { Consumers } from '../../../src/services/records/consumers.ts';
import { openReader } from '../../../src/services/store/embedded.ts';
import type { RecordStore } from '../../../src/services/store/record-store.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import { StoreWatch } from '../../../src/services/store/store-watch.ts';
import { storeFolder } from '../store/store-folder.ts';

const HOUR = 3_600_000;
let now: number;
let store: RecordStore;
let watch: StoreWatch;
let provider: ApiKeyProvider;
let keys: ApiKeys;
let consumers: Consumers;

beforeEach(async () => {
  now = 1_800_000_000_000;
  const data = storeFolder();
  const clock = () => now;
  store = await openStore({ data, redis: null, now: clock });
  const reader = openReader(data);
  watch = new StoreWatch(reader, 1_000_000); // looks when the test says so
  provider = newProvider(50_000);
  function newProvider(cache: number) {
    return new ApiKeyProvider(
      'partners',
      { type: 'apiKey', header: 'x-api-key', cache },
      { now: clock, store: reader, watch },
    );
  }
  keys = new ApiKeys(store, clock);
  consumers = new Consumers(store, clock);
  onTestFinished(async () => {
    provider.close();
    watch.close();
    await reader.close();
    await store.close();
  });
});

async function make(wish: Partial<KeyWish> = {}): Promise<NewKey> {
  return (await keys.create({ consumer: 'acme', ...wish })).created;
}

function request(...values: string[]): Exchange {
  const x = new Exchange(0);
  x.headers = ['accept', '*/*', ...values.flatMap((value) => ['x-api-key', value])];
  x.clientIp = '192.0.2.1';
  return x;
}

const ask = (...values: string[]) => provider.authenticate(request(...values));
const refused = (reason: string, code = 'INVALID_API_KEY') => ({
  failure: expect.objectContaining({ code }),
  reason,
});

describe('a right key', () => {
  it('says whose it is: roles and scopes of key and consumer, plan of the key, else of the consumer', async () => {
    await consumers.create('acme', { plan: 'gold', roles: ['partner', 'both'], scopes: ['read'] });
    const own = await make({ roles: ['both', 'trader'], scopes: ['write'], plan: 'platinum', name: 'ci' });
    expect(ask(own.key)).toEqual({
      method: 'apiKey',
      provider: 'partners',
      user: '',
      consumer: 'acme',
      roles: ['partner', 'both', 'trader'],
      scopes: ['read', 'write'],
      plan: 'platinum',
      keyId: own.id,
      claims: { consumer: 'acme', key: own.id, name: 'ci', env: 'live' },
      expiresAt: Infinity,
    });
    const plain = await make({ expiresAt: now + HOUR });
    expect(ask(plain.key)).toMatchObject({ plan: 'gold', roles: ['partner', 'both'], expiresAt: now + HOUR });
  });

  it('is one identity for all its requests', async () => {
    const { key } = await make();
    const first = ask(key);
    expect(ask(key)).toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
    expect(provider.flush()).toEqual({ accepted: 2, refused: {}, cacheHits: 1, cacheMisses: 1 });
    expect(provider.flush()).toEqual({ accepted: 0, refused: {}, cacheHits: 0, cacheMisses: 0 });
  });

  it('is noted as used, with the time of the last use', async () => {
    const [a, b] = [await make(), await make()];
    ask(a.key);
    now += 5;
    ask(a.key);
    ask(b.key);
    expect(provider.takeUsed()).toEqual(
      new Map([
        [a.id, now],
        [b.id, now],
      ]),
    );
    expect(provider.takeUsed().size).toBe(0);
  });
});

describe('no key', () => {
  it('is null when the header is not there', () => {
    expect(ask()).toBeNull();
    expect(provider.flush()).toMatchObject({ accepted: 0, refused: {} });
  });

  it('is not one in another place or another spelling of the header', async () => {
    const { key } = await make();
    const x = new Exchange(0);
    x.headers = ['authorization', `Bearer ${key}`, 'x-api-keys', key, 'x_api_key', key];
    x.query = `x-api-key=${key}`;
    expect(provider.authenticate(x)).toBeNull();
  });
});

describe('a wrong key', () => {
  it('is refused for what it is in the metrics, and with one failure for the client', async () => {
    const { key, id } = await make();
    const flip = (at: number) => key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1);
    expect(ask('')).toEqual(refused('malformed'));
    expect(ask('hello')).toEqual(refused('malformed'));
    expect(ask(`Bearer ${key}`)).toEqual(refused('malformed'));
    for (const at of [key.indexOf(id), key.length - 20, key.length - 1]) {
      expect(ask(flip(at))).toEqual(refused('malformed'));
    }
    expect(ask(newKey('live', id))).toEqual(refused('unknown'));
    expect(ask(newKey('test', id))).toEqual(refused('unknown'));
    expect(ask(newKey('live', newKeyId()))).toEqual(refused('unknown'));
    expect(provider.flush()).toMatchObject({ accepted: 0, refused: { malformed: 6, unknown: 3 } });
    expect(provider.takeUsed().size).toBe(0);
  });

  it('twice, or a right one twice, is ambiguous', async () => {
    const { key } = await make();
    ask(key);
    expect(ask(key, key)).toEqual(refused('duplicate', 'DUPLICATE_CREDENTIALS'));
    expect(ask(key, 'x')).toEqual(refused('duplicate', 'DUPLICATE_CREDENTIALS'));
  });

  it('is not remembered: a key that is made later is taken', async () => {
    const { key, id } = await make();
    const record = store.get('key', id);
    await store.remove('key', id);
    expect(ask(key)).toEqual(refused('unknown'));
    await store.put('key', id, record);
    expect(ask(key)).toMatchObject({ keyId: id });
  });

  it('takes as long whatever is wrong with it', async () => {
    const { key, id } = await make();
    const wrong = {
      typo: key.slice(0, -10) + (key.at(-10) === 'a' ? 'b' : 'a') + key.slice(-9),
      secret: newKey('live', id),
      unknown: newKey('live', newKeyId()),
    };
    const best = { typo: Infinity, secret: Infinity, unknown: Infinity };
    // The best of many rounds: what else the machine does can only make one slower.
    for (let round = 0; round < 60; round++) {
      for (const kind of ['typo', 'secret', 'unknown'] as const) {
        const x = request(wrong[kind]);
        const before = performance.now();
        for (let i = 0; i < 100; i++) provider.authenticate(x);
        best[kind] = Math.min(best[kind], performance.now() - before);
      }
    }
    const times = Object.values(best);
    expect(Math.max(...times) / Math.min(...times), JSON.stringify(best)).toBeLessThan(1.5);
  });
});

describe('a key that is right no more', () => {
  it('is refused when it is revoked, also when it was remembered', async () => {
    const { key, id } = await make();
    expect(ask(key)).toMatchObject({ keyId: id });
    await keys.revoke(id);
    watch.look();
    expect(ask(key)).toEqual(refused('revoked'));
  });

  it('is refused from the moment it expires, also when it was remembered', async () => {
    const { key } = await make({ expiresAt: now + HOUR });
    now += HOUR - 1;
    expect(ask(key)).toMatchObject({ consumer: 'acme' });
    now += 1;
    expect(ask(key)).toEqual(refused('expired'));
  });

  it('is refused when its consumer is disabled or gone, and taken when it is enabled again', async () => {
    const { key, id } = await make();
    ask(key);
    await consumers.update('acme', { enabled: false });
    watch.look();
    expect(ask(key)).toEqual(refused('revoked'));
    await consumers.update('acme', { enabled: true, roles: ['new'] });
    watch.look();
    expect(ask(key)).toMatchObject({ keyId: id, roles: ['new'] });
    await store.remove('consumer', 'acme');
    watch.look();
    expect(ask(key)).toEqual(refused('unknown'));
  });

  it('leaves the memory of others alone', async () => {
    const [a, b] = [await make(), await make()];
    watch.look();
    const before = ask(b.key);
    ask(a.key);
    await keys.revoke(a.id);
    await store.put('session', 'x', {});
    watch.look();
    expect(ask(b.key)).toBe(before);
  });
});

describe('rotation', () => {
  it('takes both secrets until the grace is over, then the new one only', async () => {
    const old = await make();
    ask(old.key);
    const next = await keys.rotate(old.id, HOUR);
    watch.look();
    expect(next.key).not.toBe(old.key);
    expect(ask(next.key)).toMatchObject({ keyId: old.id });
    expect(ask(old.key)).toMatchObject({ keyId: old.id, expiresAt: now + HOUR });
    now += HOUR;
    expect(ask(old.key)).toEqual(refused('expired'));
    expect(ask(next.key)).toMatchObject({ keyId: old.id });
  });

  it('twice leaves the newest two', async () => {
    const first = await make();
    const second = await keys.rotate(first.id, HOUR);
    const third = await keys.rotate(first.id, HOUR);
    watch.look();
    expect(ask(first.key)).toEqual(refused('unknown'));
    expect(ask(second.key)).toMatchObject({ keyId: first.id });
    expect(ask(third.key)).toMatchObject({ keyId: first.id });
  });
});

describe('networks', () => {
  it('are asked for each request, also for a key that is remembered', async () => {
    const { key } = await make({ networks: ['10.0.0.0/8', '2001:db8::/32'] });
    const from = (clientIp: string) => {
      const x = request(key);
      x.clientIp = clientIp;
      return provider.authenticate(x);
    };
    for (let i = 0; i < 2; i++) {
      expect(from('10.9.8.7')).toMatchObject({ consumer: 'acme' });
      expect(from('2001:db8::7')).toMatchObject({ consumer: 'acme' });
      expect(from('192.0.2.1')).toEqual(refused('network'));
    }
  });
});

describe('the provider', () => {
  it('says how to ask, and keeps the header to itself', () => {
    expect(provider).toMatchObject({
      name: 'partners',
      method: 'apiKey',
      challenge: 'ApiKey realm="sluice", header="x-api-key"',
      privateHeader: 'x-api-key',
      privateCookie: null,
    });
  });
});
