/** Which keys are taken, and what each is good for. */
import { createSecretKey, generateKeyPairSync, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { JsonWebKey, KeySet } from '../../../src/services/primary-answers.ts';
import { KeyRing } from '../../../src/services/tokens/key-ring.ts';
import { configuredKeys, publishedKey } from '../../../src/services/tokens/verifying-key.ts';
import { createKey } from '../../harness/issuer-keys.ts';
import { EDDSA, ES256, hsConfig, jwtConfig, pem, RS256, SECRET } from './forge.ts';

const jwk = (key: KeyObject, more: object = {}): JsonWebKey =>
  ({ ...(key.export({ format: 'jwk' }) as JsonWebKeyInput['key']), ...more }) as JsonWebKey;
const rsa = (more: object = {}) => jwk(RS256.publicKey, more);
const short = generateKeyPairSync('rsa', { modulusLength: 1024 });

function file(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'key'), content);
  return join(folder, 'key');
}

describe('keys of the configuration', () => {
  const bound = (options: Record<string, unknown>) =>
    configuredKeys('p', jwtConfig(options)).map(({ algorithm }) => algorithm);

  it('are bound to the first algorithm that fits', () => {
    expect(bound({ algorithms: ['ES256', 'PS384', 'RS256'], publicKey: [pem(RS256), pem(ES256)] })).toEqual([
      'PS384',
      'ES256',
    ]);
    expect(bound({ algorithms: ['HS512', 'HS384', 'HS256'], secret: SECRET })).toEqual(['HS384']);
  });

  it('come from files, without the line break at the end', () => {
    const [key] = configuredKeys('p', hsConfig({ secret: { file: file(`${SECRET}\n`) } }));
    expect(key.secret?.equals(createSecretKey(Buffer.from(SECRET)))).toBe(true);
    expect(bound({ algorithms: ['RS256'], publicKey: { file: file(pem(RS256)) } })).toEqual(['RS256']);
  });

  it('for PSS alone are bound to the hash and the salt that they name', () => {
    const pssPem = (options: object) =>
      generateKeyPairSync('rsa-pss', { modulusLength: 2048, ...options })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString();
    const algorithms = ['PS256', 'PS384', 'PS512'];
    expect(bound({ algorithms, publicKey: pssPem({}) })).toEqual(['PS256']);
    const sha512 = { hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha512', saltLength: 64 };
    expect(bound({ algorithms, publicKey: pssPem(sha512) })).toEqual(['PS512']);
    for (const odd of [sha512, { ...sha512, hashAlgorithm: 'sha256' }, { saltLength: 33 }]) {
      expect(() => bound({ algorithms: ['PS256'], publicKey: pssPem(odd) })).toThrow('fits none of PS256');
    }
  });

  const privatePem = ES256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const shortPem = short.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  it.each([
    [{ algorithms: ['HS256'], secret: 'x'.repeat(31) }, 'secret[0]: the secret has 31 bytes'],
    [{ algorithms: ['HS512'], secret: [SECRET.repeat(2), SECRET] }, 'secret[1]: the secret has 48 bytes'],
    [{ algorithms: ['RS256'], secret: SECRET }, 'secret[0]: none of the algorithms takes a secret'],
    [{ algorithms: ['HS256'], secret: pem(RS256) }, 'secret[0]: this is a PEM, not a secret'],
    [{ algorithms: ['RS256'], publicKey: shortPem }, 'publicKey[0]: the RSA key has fewer than 2048 bits'],
    [{ algorithms: ['ES256'], publicKey: privatePem }, 'publicKey[0]: this is no public key'],
    [{ algorithms: ['ES256'], publicKey: SECRET }, 'publicKey[0]: this is no public key'],
    [{ algorithms: ['ES256'], publicKey: pem(RS256) }, 'publicKey[0]: the key fits none of ES256'],
    [
      { algorithms: ['ES256'], publicKey: pem(createKey('ES384')) },
      'publicKey[0]: the key fits none of ES256',
    ],
  ])('are refused with the option named, and without the key: %j', (options, message) => {
    let thrown = '';
    try {
      configuredKeys('p', jwtConfig(options));
    } catch (error) {
      thrown = (error as Error).message;
    }
    expect(thrown).toContain(`auth.providers.p.${message}`);
    expect(thrown).not.toContain(SECRET);
    expect(thrown).not.toContain('BEGIN');
  });
});

describe('published keys', () => {
  const all = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

  it('are bound to what they say, else to the first algorithm that fits', () => {
    expect(publishedKey(rsa(), all)?.algorithm).toBe('RS256');
    expect(publishedKey(rsa(), ['PS256', 'RS256'])?.algorithm).toBe('PS256');
    expect(publishedKey(rsa({ alg: 'PS256', use: 'sig', key_ops: ['verify'] }), all)?.algorithm).toBe(
      'PS256',
    );
    expect(publishedKey(jwk(ES256.publicKey), all)?.algorithm).toBe('ES256');
    expect(publishedKey(jwk(EDDSA.publicKey), all)?.algorithm).toBe('EdDSA');
  });

  it.each([
    ['for encryption', rsa({ use: 'enc' })],
    ['to wrap keys', rsa({ key_ops: ['wrapKey'] })],
    ['for another algorithm', rsa({ alg: 'RS512' })],
    ['for an algorithm of another type', rsa({ alg: 'ES256' })],
    ['for none', rsa({ alg: 'none' })],
    ['symmetric', { kty: 'oct', k: 'A'.repeat(43), alg: 'HS256' } as unknown as JsonWebKey],
    ['short', jwk(short.publicKey)],
    ['on another curve', jwk(createKey('ES384').publicKey)],
    ['without its numbers', { kty: 'RSA' }],
    ['off the curve', jwk(ES256.publicKey, { x: 'AAAA' })],
    ['for key agreement', jwk(generateKeyPairSync('x25519').publicKey)],
  ])('are left out when they are %s', (_, key) => {
    expect(publishedKey(key, [...all, 'HS256'])).toBe(null);
  });

  it('are found by name, and without one by algorithm, four at most', () => {
    const keys = Array.from({ length: 6 }, (_, i) => jwk(createKey('ES256').publicKey, { kid: `k${i}` }));
    const set = { keys: [...keys, rsa({ kid: 'k0' })] } as unknown as KeySet;
    const ring = KeyRing.published(set, all);
    expect(ring.find('ES256', 'k5')?.keys.map(({ kid }) => kid)).toEqual(['k5']);
    expect(ring.find('ES256', null)?.keys.map(({ kid }) => kid)).toEqual(['k0', 'k1', 'k2', 'k3']);
    expect(ring.find('RS256', 'k0')?.keys).toHaveLength(1);
    expect(ring.find('RS256', 'k1')).toBe(null);
    expect(ring.find('ES256', 'k9')).toBe(null);
    expect([ring.lacks('k9'), ring.lacks('k1')]).toEqual([true, false]);
  });

  it('are those before them when neither name nor key has changed', () => {
    const ringOf = (...keys: JsonWebKey[]) => KeyRing.published({ keys } as unknown as KeySet, all);
    const found = ringOf(rsa({ kid: 'a' })).find('RS256', 'a')!;
    expect(ringOf(jwk(ES256.publicKey), rsa({ kid: 'a', use: 'sig' })).holds(found)).toBe(true);
    expect(ringOf(rsa({ kid: 'b' })).holds(found)).toBe(false);
    expect(ringOf(rsa({ kid: 'a', alg: 'PS256' })).holds(found)).toBe(false);
    expect(ringOf().holds(found)).toBe(false);
  });
});
