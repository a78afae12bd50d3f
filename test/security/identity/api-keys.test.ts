/**
 * Guessing and bending API keys (CWE-204, CWE-208): an answer, or the time it takes, that differs between a key that does not
 * exist, one that was typed wrong, one that was revoked and one for another network tells an attacker how near they are. Ours is the
 * same to all of them but for its request id; the audit log has the reason.
 */
import { describe, expect, it } from 'vitest';
import { hasRightChecksum, newKey, newKeyId } from '../../../src/services/keys/api-key.ts';
import { eventually } from '../../harness/eventually.ts';
import { get, type RawAnswer } from '../../harness/raw-client.ts';
import { flood, quantile } from './flood.ts';
import { bearer, route, useScene } from './scene.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const keys: Record<string, { id: string; key: string }> = {};

async function manage(method: string, path: string, body: unknown = {}) {
  const headers = { 'content-type': 'application/json' };
  const answer = await scene.gateway.ask(path, { method, headers, body: JSON.stringify(body) });
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer.body;
}

const scene = useScene(
  () => ({
    auth: {
      providers: { partners: { type: 'apiKey' }, suppliers: { type: 'apiKey', header: 'X-Supplier-Key' } },
    },
    routes: [
      route('/partners', 'partners'),
      route('/suppliers', 'suppliers'),
      route('/chief', { anyOf: ['partners'], roles: ['chief'] }),
      route('/optional', ['partners', 'anonymous']),
    ],
  }),
  {
    prepare: async () => {
      const soon = new Date(Date.now() + 1500).toISOString();
      for (const [name, more] of Object.entries({
        good: {},
        revoked: {},
        expired: { expires: soon },
        network: { networks: ['203.0.113.0/24', '2001:db8::/32'] },
        here: { networks: ['127.0.0.0/8'] },
        disabled: { consumer: 'closed' },
        removed: { consumer: 'gone' },
        rotated: {},
      })) {
        keys[name] = await manage('POST', '/keys', { consumer: 'acme', ...more });
      }
      await manage('POST', `/keys/${keys.revoked.id}/revoke`);
      await manage('PUT', '/consumers/closed', { enabled: false });
      await manage('DELETE', '/consumers/gone');
      await manage('POST', `/keys/${keys.rotated.id}/rotate`, { grace: '0s' });
    },
  },
);

const withKey = (key: string, path = '/partners') => get(path, `X-Api-Key: ${key}`);
const UNKNOWN = '401 INVALID_API_KEY';

/** All that a caller can see, but for what is of one request alone. */
function visible(answer: RawAnswer): string {
  const id = answer.header('x-request-id') as string;
  const fields = answer.fields.filter(([name]) => !['date', 'x-request-id'].includes(name));
  return JSON.stringify([answer.status, fields, answer.body.toString().replaceAll(id, 'ID')]);
}

describe('a key with one character changed', () => {
  it('is refused at every place, and looks like one that never existed', async () => {
    const { key } = keys.good;
    expect((await scene.passes(withKey(key))).headers['x-consumer-id']).toBe('acme');
    const unknown = visible(await scene.refuses(withKey(newKey('live', newKeyId())), UNKNOWN, 'unknown'));
    const changed = Array.from(key, (c, at) => {
      const other = DIGITS[(Math.max(0, DIGITS.indexOf(c)) + 7) % 62];
      return key.slice(0, at) + other + key.slice(at + 1);
    });
    await scene.refusesAll(
      changed.map((one) => withKey(one)),
      UNKNOWN,
      /malformed|unknown/,
    );
    for (const one of changed) expect(visible(await scene.ask(withKey(one)))).toBe(unknown);
  });

  it('and its checksum made right is refused as unknown', async () => {
    const { id } = keys.good;
    const tries = Array.from({ length: 50 }, () => newKey('live', id));
    expect(tries.every(hasRightChecksum)).toBe(true);
    await scene.refusesAll(
      tries.map((one) => withKey(one)),
      UNKNOWN,
      'unknown',
    );
  });

  it('takes as long as an unknown one, whichever part is right', { retry: 2, timeout: 60_000 }, async () => {
    const { id } = keys.good;
    const kinds: Record<string, () => string> = {
      unknown: () => newKey('live', newKeyId()),
      'wrong secret': () => newKey('live', id),
      'wrong checksum': () => mistyped(newKey('live', id)),
      'unknown, wrong checksum': () => mistyped(newKey('live', newKeyId())),
      revoked: () => keys.revoked.key,
      'revoked, wrong secret': () => newKey('live', keys.revoked.id),
      // Refused by its looks, before anything is hashed or looked up: what a short cut would save.
      shapeless: () => `${newKey('live', newKeyId()).slice(0, -1)}-`,
    };
    const names = Object.keys(kinds);
    // In random order on one connection: what else the machine does hits all of them alike.
    const order = shuffled(Array.from({ length: 3000 * names.length }, (_, i) => names[i % names.length]));
    const requests = order.map((name) => withKey(kinds[name]()));
    const { statuses, timesInOrder } = await flood(scene.gateway.url, requests, 1);
    expect(statuses).toEqual(new Map([[401, requests.length]]));
    const median = (name: string) => {
      const warm = timesInOrder.filter((_, i) => order[i] === name && i > 1000);
      return quantile(
        warm.sort((a, b) => a - b),
        0.5,
      );
    };
    const unknown = median('unknown');
    const saved = unknown - median('shapeless');
    expect(saved, 'a short cut would be seen, ms').toBeGreaterThan(0.004);
    for (const name of names.slice(0, -1)) {
      expect(Math.abs(median(name) - unknown), `${name} against unknown, ms`).toBeLessThan(saved / 3);
    }
    expect(scene.seen).toEqual([]);
  });
});

function mistyped(key: string): string {
  return key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
}

function shuffled<T>(list: T[]): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

describe('a key that was good once, or is good elsewhere', () => {
  it('expired, revoked, rotated out, of a closed consumer or from a wrong network looks like an unknown one', async () => {
    const unknown = visible(await scene.ask(withKey(newKey('live', newKeyId()))));
    await eventually(async () => (await scene.ask(withKey(keys.expired.key))).status === 401, {
      what: 'its end',
    });
    scene.service.requests.length = 0;
    const reasons = {
      expired: 'expired',
      revoked: 'revoked',
      network: 'network',
      disabled: 'revoked',
      removed: /revoked|unknown/,
      rotated: /unknown|expired/,
    };
    for (const [name, reason] of Object.entries(reasons)) {
      const answer = await scene.refuses(withKey(keys[name].key), UNKNOWN, reason);
      expect(visible(answer), name).toBe(unknown);
      expect(visible(await scene.ask(withKey(keys[name].key))), `${name}, again`).toBe(unknown);
    }
    expect(scene.seen).toEqual([]);
  });

  it('from a wrong network does not get nearer by saying that it is there', async () => {
    const says = [
      'X-Forwarded-For: 203.0.113.7',
      'X-Real-IP: 203.0.113.7',
      'Forwarded: for=203.0.113.7',
      'X-Client-IP: 203.0.113.7',
      'True-Client-IP: 203.0.113.7',
      'CF-Connecting-IP: 203.0.113.7',
    ];
    await scene.refusesAll(
      [...says.map((field) => [field]), says].map((fields) =>
        get('/partners', `X-Api-Key: ${keys.network.key}`, ...fields),
      ),
      UNKNOWN,
      'network',
    );
    await scene.passes(get('/partners', `X-Api-Key: ${keys.here.key}`, ...says));
  });

  it('is dead within a second of its revocation, also where it is remembered', async () => {
    const made = await manage('POST', '/keys', { consumer: 'acme' });
    for (let i = 0; i < 20; i++) await scene.passes(withKey(made.key));
    await manage('POST', `/keys/${made.id}/revoke`);
    await eventually(async () => (await scene.ask(withKey(made.key))).status === 401, {
      what: 'its end',
      withinMs: 1000,
    });
    scene.service.requests.length = 0;
    await scene.refuses(withKey(made.key), UNKNOWN, 'revoked');
  });
});

describe('a key in another form', () => {
  it('cut off, prolonged, of another environment or owner is refused', async () => {
    const { key, id } = keys.good;
    const other = keys.here;
    const forms = [
      key.slice(0, -1),
      key.slice(1),
      `${key}A`,
      `${key}=`,
      `x${key}`,
      key.toLowerCase(),
      key.toUpperCase(),
      key.replace('live', 'test'),
      key.replace('_live_', '__'),
      key.replace('sluice_', ''),
      key.replaceAll('_', '-'),
      `${key}, ${key}`,
      `${key},${other.key}`,
      `${key} ${key}`,
      `"${key}"`,
      `Bearer ${key}`,
      id,
      `sluice_live_${id}`,
      `sluice_live_${id}_`,
      key.replace(id, other.id),
      other.key.replace(other.id, id),
      key.replace(id, '*'.repeat(12)),
      key.replace(id, '../../../../'),
      `sluice_live_${'0'.repeat(12)}_${'0'.repeat(32)}`,
      'null',
      'undefined',
      '0',
      '*',
      '%',
      "' OR 1=1--",
      'x'.repeat(5000),
      '__proto__',
      'constructor',
    ];
    await scene.refusesAll(
      forms.map((form) => withKey(form)),
      UNKNOWN,
      /malformed|unknown/,
    );
    await scene.refuses(withKey(''), UNKNOWN, 'malformed');
  });

  it('in another place is none', async () => {
    const { key } = keys.good;
    const attacks = [
      get(`/partners?api_key=${key}&x-api-key=${key}&key=${key}`),
      get('/partners', bearer(key)),
      get('/partners', `Authorization: ApiKey ${key}`),
      get('/partners', `Cookie: x-api-key=${key}; api_key=${key}`),
      get('/partners', `X-Supplier-Key: ${key}`),
      get('/suppliers', `X-Api-Key: ${key}`),
      get('/partners', `X-Api-Key: ${key}`, 'Connection: x-api-key'),
    ];
    await scene.refusesAll(attacks, '401 UNAUTHENTICATED', 'missing');
  });

  it('does not go on to the service, and its role is only what it was given', async () => {
    const seen = await scene.passes(get('/partners', `X-Api-Key: ${keys.good.key}`, 'X-Role: chief'));
    expect(JSON.stringify(seen)).not.toContain(keys.good.key.slice(-20));
    await scene.refuses(
      get('/chief', `X-Api-Key: ${keys.good.key}`, 'X-User-Roles: chief'),
      '403 INSUFFICIENT_SCOPE',
      'role',
    );
    const anonymous = await scene.passes(withKey(keys.revoked.key, '/optional'));
    expect(anonymous.headers['x-consumer-id']).toBeUndefined();
    expect(JSON.stringify(anonymous)).not.toContain(keys.revoked.key.slice(-20));
  });
});

describe('the admin API', () => {
  it('shows no key a second time, and no hash', async () => {
    const all = JSON.stringify((await scene.gateway.ask('/keys')).body);
    const one = JSON.stringify((await scene.gateway.ask(`/keys/${keys.good.id}`)).body);
    for (const text of [all, one]) {
      expect(text).toContain(keys.good.id);
      expect(text).not.toMatch(/[0-9a-f]{64}|"hash"/);
      for (const { key } of Object.values(keys)) expect(text).not.toContain(key.slice(-32));
    }
  });
});
