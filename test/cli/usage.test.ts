import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAIN, sluice } from './sluice.ts';

const COMMANDS = [
  'start',
  'check',
  'routes',
  'explain',
  'authz',
  'key',
  'consumer',
  'revoke',
  'register',
  'usage',
  'schema',
  'docs',
  'demo',
  'version',
];

describe('sluice', () => {
  it('lists its commands and exit codes', () => {
    for (const args of [[], ['--help'], ['help']]) {
      const { code, out, err } = sluice(...args);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${command} `, 'm'));
      expect(out).toContain(
        'Exit codes: 0 fine, 1 the configuration or the operation failed, 2 wrong usage.',
      );
    }
  });

  it.each(COMMANDS)('%s has help', (command) => {
    const { code, out, err } = sluice(command, '--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(new RegExp(`^usage: sluice ${command}`));
    expect(out).toContain('-h, --help');
    expect(sluice('help', command).out).toBe(out);
  });

  it('has a page that names every command', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
    const sections = [...page.matchAll(/^## sluice (\w+)$/gm)].map(([, name]) => name);
    expect(sections).toEqual(COMMANDS);
  });

  it('says its version', () => {
    expect(sluice('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(sluice('version').out).toBe(sluice('--version').out);
  });

  it('does not mind a reader that has seen enough', () => {
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', `set -o pipefail; "${process.execPath}" "${MAIN}" schema | head -c 10`],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('wrong usage', () => {
  it.each([
    [['chekc'], 'sluice: unknown command "chekc"\nDid you mean "sluice check"?\n'],
    [['frobnicate'], 'sluice: unknown command "frobnicate"\nTry "sluice --help".\n'],
    [['check'], 'sluice check: -c, --config FILE is missing\nTry "sluice check --help".\n'],
    [
      ['check', '--confg', 'x'],
      'sluice check: unknown option --confg, did you mean --config?\nTry "sluice check --help".\n',
    ],
    [['check', '-x'], 'sluice check: unknown option -x\nTry "sluice check --help".\n'],
    [['check', '-c'], 'sluice check: -c needs a value: -c FILE\nTry "sluice check --help".\n'],
    [['check', '-c', '--json'], 'sluice check: -c needs a value: -c FILE\nTry "sluice check --help".\n'],
    [['check', '--json=1', '-c', 'x'], 'sluice check: --json takes no value\nTry "sluice check --help".\n'],
    [
      ['check', '-c', 'x', '--config', 'y'],
      'sluice check: --config is given twice\nTry "sluice check --help".\n',
    ],
    [['check', '-c', 'x', 'y'], 'sluice check: what is "y"?\nTry "sluice check --help".\n'],
    [
      ['start', '-c', 'x', '--workers', 'many'],
      'sluice start: --workers many: expected a whole number from 1 to 1024\nTry "sluice start --help".\n',
    ],
    [['explain', '-c', 'x', 'GET'], 'sluice explain: URL is missing\nTry "sluice explain --help".\n'],
    [
      ['explain', '-c', 'x', 'GET', 'users'],
      'sluice explain: "users" is neither a path nor an http:// URL\nTry "sluice explain --help".\n',
    ],
    [
      ['explain', '-c', 'x', 'GET', '/', '-H', 'nonsense'],
      `sluice explain: -H 'nonsense': expected 'name: value'\nTry "sluice explain --help".\n`,
    ],
  ])('%j exits with 2 and says why', (args, err) => {
    expect(sluice(...args)).toEqual({ code: 2, out: '', err });
  });
});
