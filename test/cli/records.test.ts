/** `sluice key`, `sluice consumer`, `sluice revoke`: with the built program and a real store. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { startRedis } from '../harness/redis.ts';
import { sluice } from './sluice.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice-records-'));
let file: string;
let count = 0;

afterAll(() => rmSync(root, { recursive: true, force: true }));

const CONFIG = {
  listen: '127.0.0.1:0',
  auth: {
    providers: {
      partners: { type: 'apiKey' },
      internal: { type: 'jwt', algorithms: ['HS256'], secret: 'x'.repeat(32) },
    },
  },
  routes: [],
};

function config(more: Record<string, unknown> = {}): string {
  const name = join(root, `${++count}.yaml`);
  writeFileSync(name, JSON.stringify({ ...CONFIG, data: join(root, `data-${count}`), ...more }));
  return name;
}

beforeEach(() => {
  file = config();
});

function run(...args: string[]) {
  return sluice(...args, '-c', file);
}

function runJson(...args: string[]) {
  const { code, out, err } = run(...args, '--json');
  expect({ code, args }).toEqual({ code: 0, args });
  return { ...JSON.parse(out), err };
}

describe('sluice key', () => {
  it('create prints the key alone on standard output, and the rest for people beside it', () => {
    const { code, out, err } = run('key', 'create', '--consumer', 'acme');
    expect(code).toBe(0);
    expect(out).toMatch(/^sluice_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}\n$/);
    const id = out.split('_')[2];
    expect(err).toBe(
      `There was no consumer "acme": it has been made.\nKey ${id} of consumer "acme". It is shown this once: keep it now.\n`,
    );
  });

  it('create --json begins with id and key', () => {
    const { out } = run('key', 'create', '--consumer', 'acme', '--json');
    expect(out).toMatch(/^\{\n {2}"id": "[0-9A-Za-z]{12}",\n {2}"key": "sluice_live_/);
  });

  it('walks through the life of a key', () => {
    const made = runJson(
      ...[
        'key',
        'create',
        '--consumer',
        'acme',
        '--env',
        'test',
        '--name',
        'ci',
        '--role',
        'a',
        '--role',
        'b',
      ],
      ...['--scope', 's', '--plan', 'gold', '--network', '10.0.0.0/8', '--expires', '90d'],
    );
    expect(made).toMatchObject({
      consumer: 'acme',
      env: 'test',
      name: 'ci',
      roles: ['a', 'b'],
      scopes: ['s'],
      plan: 'gold',
      networks: ['10.0.0.0/8'],
      state: 'active',
    });
    const { id } = made;
    expect(runJson('key', 'list').keys).toMatchObject([{ id, lastUsedAt: null }]);
    expect(runJson('key', 'list', '--consumer', 'other').keys).toEqual([]);
    expect(runJson('key', 'show', id)).toMatchObject({ id, state: 'active' });
    expect(runJson('key', 'rotate', id, '--grace', '1h').key).not.toBe(made.key);
    expect(runJson('key', 'show', id).secrets).toHaveLength(2);
    expect(runJson('key', 'revoke', id)).toMatchObject({ id, state: 'revoked' });
    expect(run('key', 'rotate', id)).toEqual({
      code: 1,
      out: '',
      err: `sluice: the key ${id} is revoked: make a new one\n`,
    });
  });

  it('shows tables to people', () => {
    expect(run('key', 'list')).toEqual({ code: 0, out: '', err: 'no keys\n' });
    const { id } = runJson('key', 'create', '--consumer', 'acme', '--network', '::1');
    const [head, row] = run('key', 'list').out.split('\n');
    expect(head).toMatch(/^ID {12}CONSUMER {2}ENV {3}NAME {2}STATE {3}EXPIRES {2}LAST USED$/);
    expect(row).toBe(`${id}  acme      live  -     active  never    never`);
    expect(run('key', 'show', id).out).toMatch(/^networks {3}::1$/m);
  });

  it.each([
    [['show', 'nope'], 1, 'sluice: there is no key "nope"\n'],
    [['create', '--consumer', 'a b'], 1, 'sluice: "a b" is not a name for a consumer'],
    [
      ['create', '--consumer', 'a', '--expires', 'soon'],
      2,
      'sluice key create: --expires soon: expected a duration',
    ],
    [['create'], 2, 'sluice key create: --consumer NAME is missing\nTry "sluice key create --help".\n'],
    [['rotate', 'x', '--grace', '1y'], 2, 'sluice key rotate: --grace 1y: expected a duration'],
    [['crate'], 2, 'sluice key: unknown command "crate"\nDid you mean "sluice key create"?\n'],
    [['-x'], 2, 'sluice key: unknown command "-x"\nTry "sluice key --help".\n'],
  ])('%j says what is wrong', (args, code, message) => {
    const answer = run('key', ...args);
    expect(answer).toMatchObject({ code, out: '' });
    expect(answer.err).toContain(message);
  });

  it('has help for itself and its commands', () => {
    const { code, out, err } = sluice('key', '--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of ['create', 'list', 'show', 'update', 'rotate', 'revoke']) {
      expect(out).toMatch(new RegExp(`^ {2}${command} `, 'm'));
      expect(sluice('key', command, '--help').out).toMatch(new RegExp(`^usage: sluice key ${command} `));
    }
    expect(sluice('help', 'key').out).toBe(out);
    expect(sluice('help', 'key', 'create').out).toBe(sluice('key', 'create', '--help').out);
    expect(sluice('key')).toEqual({
      code: 2,
      out: '',
      err: 'sluice key: which command?\nTry "sluice key --help".\n',
    });
  });
});

describe('sluice consumer', () => {
  it('creates, shows, lists, changes and removes', () => {
    expect(runJson('consumer', 'create', 'acme', '--plan', 'gold', '--role', 'a')).toMatchObject({
      name: 'acme',
      plan: 'gold',
      roles: ['a'],
      enabled: true,
    });
    expect(run('consumer', 'create', 'acme')).toMatchObject({
      code: 1,
      err: 'sluice: there is a consumer "acme" already\n',
    });
    expect(runJson('consumer', 'update', 'acme', '--disable', '--role', '')).toMatchObject({
      plan: 'gold',
      roles: [],
      enabled: false,
    });
    expect(run('consumer', 'update', 'acme')).toMatchObject({
      code: 2,
      err: expect.stringContaining('nothing to change'),
    });
    expect(runJson('consumer', 'show', 'acme').enabled).toBe(false);
    expect(run('consumer', 'list').out).toMatch(/^NAME .*\nacme {2}disabled {2}gold {2}-\n$/);
    runJson('key', 'create', '--consumer', 'acme');
    expect(run('consumer', 'remove', 'acme').out).toBe('acme is removed; keys revoked: 1\n');
    expect(runJson('key', 'list').keys).toMatchObject([{ state: 'revoked' }]);
    expect(runJson('consumer', 'list').consumers).toEqual([]);
  });
});

describe('sluice revoke', () => {
  it('takes a user or a token of a provider that exists', () => {
    expect(runJson('revoke', '--user', 'ann', '--provider', 'internal')).toMatchObject({ user: 'ann' });
    expect(run('revoke', '--token-id', 't1', '--provider', 'internal', '--until', '1h')).toEqual({
      code: 0,
      out: 'revoked: token t1\n',
      err: '',
    });
    expect(run('revoke', '--user', 'ann', '--provider', 'nope')).toMatchObject({
      code: 1,
      err: 'sluice: provider: there is no provider of tokens or sessions "nope"; known: internal\n',
    });
    for (const args of [[], ['--user', 'a', '--token-id', 'b'], ['--user', 'a', '--until', '1h']]) {
      expect(run('revoke', '--provider', 'internal', ...args).code).toBe(2);
    }
  });
});

describe('the store', () => {
  it('that the configuration does not have is said so', () => {
    file = config({ data: undefined, auth: undefined });
    expect(run('key', 'list')).toEqual({
      code: 1,
      out: '',
      err: `sluice: ${file} has no store: give it "data: ./data", or a provider of type apiKey or session\n`,
    });
  });

  it('that cannot be opened is said so', () => {
    const blocked = join(root, 'blocked');
    writeFileSync(blocked, '');
    file = config({ data: blocked });
    expect(run('key', 'list')).toEqual({
      code: 1,
      out: '',
      err: `sluice: data: ${blocked} cannot be opened: it is not a folder\n`,
    });
  });

  it('in Redis is shared by machines; without it, what is known can be read', async () => {
    const redis = await startRedis();
    try {
      file = config({ redis: redis.url });
      const { id } = runJson('key', 'create', '--consumer', 'acme');
      const first = file;
      file = config({ redis: redis.url });
      expect(runJson('key', 'show', id)).toMatchObject({ id, consumer: 'acme' });
      await redis.kill();
      file = first;
      const shown = run('key', 'list');
      expect(shown).toMatchObject({ code: 0, out: expect.stringContaining(id) });
      expect(shown.err).toContain('cannot be reached: the connection is refused');
      expect(run('key', 'revoke', id)).toMatchObject({ code: 1, out: '' });
    } finally {
      await redis.stop();
    }
  });
});
