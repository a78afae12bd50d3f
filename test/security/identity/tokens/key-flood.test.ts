/**
 * Floods of tokens with names of keys that nobody has (`kid`): each could make the gateway ask the issuer, which then is under
 * attack by us (CWE-406), while those with good tokens wait. Ours: one question for all who wait, and none for 30 s after it.
 * And the opposite: a rotation of keys is no attack, and must lose nobody.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKey, encode, signature } from '../../../harness/issuer-keys.ts';
import { get } from '../../../harness/raw-client.ts';
import { flood, quantile } from '../flood.ts';
import { AUDIENCE, bearer, route, Scene } from '../scene.ts';
import { claimsOf, providers } from './forge.ts';

const FALSE_KIDS = 10_000;

async function open(workers: number): Promise<Scene> {
  const scene = new Scene(({ issuer }) => ({
    workers,
    auth: { providers: providers(issuer) },
    routes: [route('/players', 'players')],
  }));
  await scene.start();
  onTestFinished(() => scene.stop());
  return scene;
}

/** Signed, so that nothing but its name is wrong with it. */
function falseTokens(scene: Scene, count: number): string[] {
  const key = createKey('EdDSA');
  const payload = encode(claimsOf(scene));
  return Array.from({ length: count }, (_, i) => {
    const input = `${encode({ alg: ['RS256', 'ES256', 'EdDSA'][i % 3], kid: `false-${i}` })}.${payload}`;
    return get('/players', bearer(`${input}.${i % 100 === 0 ? signature(input, key) : 'AAAA'}`));
  });
}

function goodTokens(scene: Scene, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    get('/players', bearer(scene.issuer.mint({ aud: AUDIENCE, sub: `user-${i}` }, { alg: 'EdDSA' }))),
  );
}

describe.each([1, 2])('with %i worker(s)', (workers) => {
  it('10,000 false names cost two fetches at most, and valid users are not disturbed', async () => {
    const scene = await open(workers);
    const users = goodTokens(scene, 20);
    expect((await flood(scene.gateway.url, users, 4)).statuses).toEqual(new Map([[200, 20]]));
    const fetches = scene.issuer.hitsOf('/jwks');
    scene.service.requests.length = 0;

    const many = Array.from({ length: 400 }, (_, i) => users[i % users.length]);
    const [attack, meanwhile] = await Promise.all([
      flood(scene.gateway.url, falseTokens(scene, FALSE_KIDS), 40),
      flood(scene.gateway.url, [...many, ...goodTokens(scene, 100)], 4),
    ]);

    expect(attack.statuses).toEqual(new Map([[401, FALSE_KIDS]]));
    expect(scene.issuer.hitsOf('/jwks') - fetches).toBeLessThanOrEqual(2);
    expect(meanwhile.statuses).toEqual(new Map([[200, 500]]));
    expect(scene.seen).toHaveLength(500);
    // Forty attackers on the same cores: what is left is queueing, and no waiting for the issuer.
    expect(quantile(meanwhile.times, 0.99)).toBeLessThan(500);
    expect(attack.tookMs).toBeLessThan(20_000);
  });

  it('the same with an issuer that is slow, or gone: valid users are not disturbed', async () => {
    const scene = await open(workers);
    const users = goodTokens(scene, 20);
    expect((await flood(scene.gateway.url, users, 4)).statuses).toEqual(new Map([[200, 20]]));
    const fetches = scene.issuer.hitsOf('/jwks');
    scene.issuer.faults.set('/jwks', { delayMs: 1500, status: 500 });
    const many = Array.from({ length: 200 }, (_, i) => users[i % users.length]);
    const [attack, meanwhile] = await Promise.all([
      flood(scene.gateway.url, falseTokens(scene, 1000), 200),
      flood(scene.gateway.url, many, 4),
    ]);
    expect(attack.statuses).toEqual(new Map([[401, 1000]]));
    expect(meanwhile.statuses).toEqual(new Map([[200, 200]]));
    expect(meanwhile.times.at(-1)).toBeLessThan(1400);
    expect(scene.issuer.hitsOf('/jwks') - fetches).toBeLessThanOrEqual(2);
  });

  it('1,000 requests during a rotation: none is refused, and the keys are fetched once', async () => {
    const scene = await open(workers);
    const before = goodTokens(scene, 300);
    expect((await flood(scene.gateway.url, before.slice(0, 20), 4)).statuses).toEqual(new Map([[200, 20]]));
    const fetches = scene.issuer.hitsOf('/jwks');
    scene.issuer.faults.set('/jwks', { delayMs: 150 });

    scene.issuer.rotate({ keepOld: true });
    const after = goodTokens(scene, 700);
    const mixed = [...before, ...after].map((request, i) => ({ request, at: (i * 7919) % 1000 }));
    mixed.sort((a, b) => a.at - b.at);
    const result = await flood(
      scene.gateway.url,
      mixed.map(({ request }) => request),
      100,
    );

    expect(result.statuses).toEqual(new Map([[200, 1000]]));
    expect(scene.issuer.hitsOf('/jwks') - fetches).toBe(1);
  });
});

describe('a token by a key that was withdrawn', () => {
  it('is refused as soon as the new set is known, also when it was remembered as good', async () => {
    const scene = await open(1);
    const stolen = get('/players', bearer(scene.issuer.mint({ aud: AUDIENCE })));
    await scene.passes(stolen);
    scene.issuer.rotate({ keepOld: false });
    await scene.passes(get('/players', bearer(scene.issuer.mint({ aud: AUDIENCE }))));
    await scene.refuses(stolen, '401 INVALID_TOKEN', 'unknown-key');
  });
});
