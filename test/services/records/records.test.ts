import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { AuthConfig } from '../../../src/config/schema/auth.ts';
import { ApiKeys } from '../../../src/services/records/api-keys.ts';
import { Consumers } from '../../../src/services/records/consumers.ts';
import { checkProvider, RevocationList } from '../../../src/services/records/revocation-list.ts';
import { momentIn, spanIn } from '../../../src/services/records/time-words.ts';
import type { RecordStore } from '../../../src/services/store/record-store.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import { storeFolder } from '../store/store-folder.ts';

const HOUR = 3_600_000;
const START = Date.parse('2027-01-01T00:00:00Z');
let now: number;
let store: RecordStore;
let keys: ApiKeys;
let consumers: Consumers;

beforeEach(async () => {
  now = START;
  store = await openStore({ data: storeFolder(), redis: null, now: () => now });
  onTestFinished(() => store.close());
  keys = new ApiKeys(store, () => now);
  consumers = new Consumers(store, () => now);
});

describe('a key', () => {
  it('is shown once; what is stored and shown later has no secret', async () => {
    const { created, consumerCreated } = await keys.create({
      consumer: 'acme',
      name: 'ci',
      networks: ['::1'],
    });
    expect(consumerCreated).toBe(true);
    const { key, ...view } = created;
    expect(key.startsWith(`sluice_live_${view.id}_`)).toBe(true);
    expect(view).toEqual({
      id: view.id,
      env: 'live',
      consumer: 'acme',
      name: 'ci',
      state: 'active',
      roles: [],
      scopes: [],
      plan: '',
      networks: ['::1'],
      secrets: [{ createdAt: '2027-01-01T00:00:00.000Z', expiresAt: null }],
      createdAt: '2027-01-01T00:00:00.000Z',
      expiresAt: null,
      revokedAt: null,
      lastUsedAt: null,
    });
    expect(keys.show(view.id)).toEqual(view);
    expect(keys.list()).toEqual([view]);
    expect(JSON.stringify(store.get('key', view.id))).not.toContain(key.slice(-32));
  });

  it('goes to a consumer that exists without changing it', async () => {
    await consumers.create('acme', { plan: 'gold' });
    expect((await keys.create({ consumer: 'acme' })).consumerCreated).toBe(false);
    expect(consumers.show('acme').plan).toBe('gold');
  });

  it('is listed by age, all or those of one consumer', async () => {
    const ids: string[] = [];
    for (const consumer of ['b', 'a', 'b']) {
      ids.push((await keys.create({ consumer })).created.id);
      now += 1;
    }
    expect(keys.list().map(({ id }) => id)).toEqual(ids);
    expect(keys.list('b').map(({ id }) => id)).toEqual([ids[0], ids[2]]);
  });

  it.each([
    [{ env: 'Live!' }, 'env: "Live!" is not 1 to 16 lower-case letters and digits'],
    [{ consumer: 'a/b' }, '"a/b" is not a name for a consumer'],
    [{ consumer: '' }, '"" is not a name for a consumer'],
    [{ roles: ['a b'] }, 'roles: "a b" is not a word'],
    [{ scopes: ['a,b'] }, 'scopes: "a,b" is not a word'],
    [{ plan: 'very "good"' }, 'plan: "very "good"" is not a word'],
    [{ networks: ['10.0.0.0/99'] }, 'networks: "10.0.0.0/99" is not a network'],
    [{ expiresAt: START }, 'expires: that is in the past'],
    [{ name: 'x'.repeat(201) }, 'name: at most 200 characters'],
  ])('is not made of %j', async (wish, message) => {
    await expect(keys.create({ consumer: 'acme', ...wish })).rejects.toThrow(message);
    expect(keys.list()).toEqual([]);
    expect(consumers.list()).toEqual([]);
  });

  it('that is not there is said so', async () => {
    const missing = { kind: 'missing', message: 'there is no key "nope"' };
    expect(() => keys.show('nope')).toThrow(expect.objectContaining(missing));
    await expect(keys.rotate('nope')).rejects.toMatchObject(missing);
    await expect(keys.revoke('nope')).rejects.toMatchObject(missing);
  });

  it('has two secrets while it is rotated, for a day', async () => {
    const { id } = (await keys.create({ consumer: 'acme' })).created;
    now += HOUR;
    const rotated = await keys.rotate(id);
    expect(rotated.key).toContain(id);
    expect(rotated.secrets).toEqual([
      { createdAt: '2027-01-01T01:00:00.000Z', expiresAt: null },
      { createdAt: '2027-01-01T00:00:00.000Z', expiresAt: '2027-01-02T01:00:00.000Z' },
    ]);
    now += 24 * HOUR;
    expect(keys.show(id).secrets).toHaveLength(1);
    expect((await keys.rotate(id, 0)).secrets).toHaveLength(1);
  });

  it('that is revoked or expired is not rotated, and stays what it is', async () => {
    const revoked = (await keys.create({ consumer: 'acme' })).created;
    expect(await keys.revoke(revoked.id)).toMatchObject({
      state: 'revoked',
      revokedAt: '2027-01-01T00:00:00.000Z',
    });
    now += HOUR;
    expect((await keys.revoke(revoked.id)).revokedAt).toBe('2027-01-01T00:00:00.000Z');
    await expect(keys.rotate(revoked.id)).rejects.toMatchObject({
      kind: 'conflict',
      message: `the key ${revoked.id} is revoked: make a new one`,
    });
    const short = (await keys.create({ consumer: 'acme', expiresAt: now + 1 })).created;
    now += 1;
    expect(keys.show(short.id).state).toBe('expired');
    await expect(keys.rotate(short.id)).rejects.toThrow('is expired');
  });

  it('remembers its last use, to the minute, which never goes back and is no change', async () => {
    const { id } = (await keys.create({ consumer: 'acme' })).created;
    const before = store.revision();
    await keys.used(new Map([[id, START + 5000]]));
    await keys.used(new Map([[id, START + 1000]]));
    await keys.used(new Map([[id, START + 64_999]]));
    expect(keys.show(id).lastUsedAt).toBe('2027-01-01T00:00:05.000Z');
    await keys.used(new Map([[id, START + 65_000]]));
    expect(keys.show(id).lastUsedAt).toBe('2027-01-01T00:01:05.000Z');
    expect(store.revision()).toBe(before);
  });
});

describe('a consumer', () => {
  it('is made, shown, changed and listed', async () => {
    await consumers.create('acme', { roles: ['partner'], description: 'Acme Ltd' });
    const view = {
      name: 'acme',
      plan: '',
      roles: ['partner'],
      scopes: [],
      enabled: true,
      description: 'Acme Ltd',
      createdAt: '2027-01-01T00:00:00.000Z',
    };
    expect(consumers.show('acme')).toEqual(view);
    expect(await consumers.update('acme', { plan: 'gold', roles: [] })).toEqual({
      ...view,
      plan: 'gold',
      roles: [],
    });
    await consumers.create('aaa');
    expect(consumers.list().map(({ name }) => name)).toEqual(['aaa', 'acme']);
  });

  it('is made once', async () => {
    await consumers.create('acme', { plan: 'gold' });
    await expect(consumers.create('acme')).rejects.toMatchObject({
      kind: 'conflict',
      message: 'there is a consumer "acme" already',
    });
    expect(consumers.show('acme').plan).toBe('gold');
  });

  it('that is removed takes its keys along, and no others', async () => {
    const own = (await keys.create({ consumer: 'acme' })).created;
    const other = (await keys.create({ consumer: 'other' })).created;
    await keys.revoke((await keys.create({ consumer: 'acme' })).created.id);
    expect(await consumers.remove('acme')).toEqual({ keysRevoked: 1 });
    expect(keys.show(own.id).state).toBe('revoked');
    expect(keys.show(other.id).state).toBe('active');
    expect(() => consumers.show('acme')).toThrow('there is no consumer "acme"');
    await expect(consumers.remove('acme')).rejects.toThrow('there is no consumer "acme"');
    await expect(consumers.update('acme', {})).rejects.toThrow('there is no consumer "acme"');
  });
});

describe('revocations', () => {
  it('of a user count from now on, and never go back', async () => {
    const revocations = new RevocationList(store, () => now);
    expect(await revocations.revokeUser('players', 'ann')).toBe(START / 1000);
    now -= 5000;
    await revocations.revokeUser('players', 'ann');
    expect(store.get('revocation', 'user:players:ann')).toEqual({ before: START / 1000, beforeMs: START });
  });

  it('of a user reach into the future for a ban, which only its end or lifting it ends', async () => {
    const revocations = new RevocationList(store, () => now);
    const until = START / 1000 + 3600;
    expect(await revocations.liftBan('players', 'ann')).toBe(false);
    expect(await revocations.revokeUser('players', 'ann', until)).toBe(until);
    now += 1000;
    expect(await revocations.revokeUser('players', 'ann')).toBe(until);
    expect(await revocations.liftBan('players', 'bob')).toBe(false);
    expect(await revocations.liftBan('players', 'ann')).toBe(true);
    expect(store.get('revocation', 'user:players:ann')).toEqual({
      before: START / 1000 + 1,
      beforeMs: START + 1000,
    });
    expect(await revocations.liftBan('players', 'ann')).toBe(false);
  });

  it('of a token are forgotten when it has expired by itself', async () => {
    const revocations = new RevocationList(store, () => now);
    const until = START / 1000 + 100;
    expect(await revocations.revokeToken('players', 'one', until)).toBe(until);
    await revocations.revokeUser('players', 'ann');
    expect(await revocations.revokeToken('players', 'two')).toBe(START / 1000 + 30 * 86_400);
    now += 161_000;
    await revocations.revokeToken('players', 'three');
    expect(Array.from(store.list('revocation'), ([id]) => id)).toEqual([
      'jti:players:three',
      'jti:players:two',
      'user:players:ann',
    ]);
  });

  it('are for a provider that exists', () => {
    const providers = {
      players: { type: 'jwt' },
      partners: { type: 'apiKey' },
      web: { type: 'session' },
    } as unknown as AuthConfig['providers'];
    for (const provider of ['plyers', 'partners']) {
      expect(() => checkProvider(provider, providers)).toThrow(
        `provider: there is no provider of tokens or sessions "${provider}"; known: players, web`,
      );
    }
    checkProvider('web', providers);
  });
});

describe('times', () => {
  it('are durations with days, or ISO 8601', () => {
    expect(spanIn('90d')).toBe(90 * 86_400_000);
    expect(spanIn('1.5h')).toBe(5_400_000);
    expect(momentIn('2d', 1000)).toBe(1000 + 2 * 86_400_000);
    expect(momentIn('2027-01-31', 0)).toBe(Date.parse('2027-01-31T00:00:00Z'));
    expect(momentIn('2027-01-31T12:00+01:00', 0)).toBe(Date.parse('2027-01-31T11:00:00Z'));
    for (const text of [
      '',
      '90',
      'd',
      '-1d',
      'tomorrow',
      '2027-13-01',
      '2027-01-31T12:00',
      '1',
      `${'9'.repeat(30)}d`,
    ]) {
      expect(momentIn(text, 0), text).toBeNull();
    }
  });
});
