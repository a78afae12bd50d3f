/** What was revoked is dead, also when it was verified before. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Log } from '../../../src/observe/log.ts';
import type { Identity } from '../../../src/services/identity.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import {
  StoredRevocations,
  tokenRevocationId,
  userRevocationId,
} from '../../../src/services/store/revocations.ts';
import { StoreWatch } from '../../../src/services/store/store-watch.ts';
import { bearer, CLAIMS, hs, hsConfig, NOW, NOW_S, provider, said } from './forge.ts';

const SILENT = { info: () => {}, warn: () => {} } as unknown as Log;

async function start() {
  const data = mkdtempSync(join(tmpdir(), 'sluice-revocation-'));
  const store = await openStore({ data, redis: null, log: SILENT, now: () => NOW });
  const watch = new StoreWatch(store);
  const revocations = new StoredRevocations(store, watch);
  const jwt = provider(hsConfig(), { revocations });
  onTestFinished(async () => {
    jwt.close();
    watch.close();
    await store.close();
    rmSync(data, { recursive: true, force: true });
  });
  return {
    jwt,
    ask: (token: string) => said(jwt.authenticate(bearer(token)) as Identity),
    async revokeUser(user: string, before: number, of = 'players') {
      await store.put('revocation', userRevocationId(of, user), { before });
      watch.look();
    },
    async revokeToken(jti: string) {
      await store.put('revocation', tokenRevocationId('players', jti), { until: NOW_S + 300 });
      watch.look();
    },
  };
}

it('ends what a user was given until then, and nothing later', async () => {
  const { revokeUser, ask } = await start();
  const before = hs({ ...CLAIMS, iat: NOW_S - 20 });
  const same = hs({ ...CLAIMS, iat: NOW_S - 10 });
  const after = hs({ ...CLAIMS, iat: NOW_S - 9 });
  const undated = hs({ ...CLAIMS, iat: undefined });
  const other = hs({ ...CLAIMS, sub: 'bob' });
  const all = [before, same, after, undated, other];
  expect(all.map(ask)).toEqual(['user alice', 'user alice', 'user alice', 'user alice', 'user bob']);
  await revokeUser('alice', NOW_S - 10);
  const outcomes = ['401 revoked', '401 revoked', 'user alice', '401 revoked', 'user bob'];
  expect(all.map(ask)).toEqual(outcomes);
  expect(all.map(ask)).toEqual(outcomes);
});

it('ends one token by its id', async () => {
  const { revokeToken, ask } = await start();
  const [one, two] = [hs({ ...CLAIMS, jti: '1' }), hs({ ...CLAIMS, jti: '2' })];
  expect([ask(one), ask(two)]).toEqual(['user alice', 'user alice']);
  await revokeToken('1');
  expect([ask(one), ask(two)]).toEqual(['401 revoked', 'user alice']);
});

it('does not make others be verified again', async () => {
  const { revokeUser, jwt, ask } = await start();
  const tokens = Array.from({ length: 100 }, (_, i) => hs({ ...CLAIMS, sub: `user-${i}` }));
  tokens.forEach(ask);
  jwt.flush();
  await revokeUser('user-7', NOW_S);
  tokens.forEach(ask);
  expect(jwt.flush()).toMatchObject({ accepted: 99, refused: { revoked: 1 }, cacheHits: 99, cacheMisses: 1 });
});

it('ends a token that is seen for the first time', async () => {
  const { revokeUser, ask } = await start();
  await revokeUser('alice', NOW_S);
  expect(ask(hs())).toBe('401 revoked');
});

it('of another provider ends nothing here', async () => {
  const { revokeUser, ask } = await start();
  await revokeUser('alice', NOW_S, 'others');
  expect(ask(hs())).toBe('user alice');
});
