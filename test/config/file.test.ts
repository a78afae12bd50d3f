/** Files that are no configuration at all, and the ways of YAML. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatMistake } from '../../src/config/mistakes.ts';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));

function mistakesOfFile(name: string, content?: string | Buffer): string[] {
  const file = join(folder, name);
  if (content !== undefined) writeFileSync(file, content);
  const result = loadConfig(file, {});
  return result.ok ? [] : result.mistakes.map((mistake) => formatMistake(mistake).replace(folder, ''));
}

describe('a file', () => {
  it('that cannot be read gets one line', () => {
    expect(mistakesOfFile('absent.yaml')).toEqual(['/absent.yaml  the file does not exist']);
    expect(mistakesOfFile('.')).toEqual(['  this is a folder; expected a YAML file']);
    expect(mistakesOfFile('latin1.yaml', Buffer.from([0x61, 0xe4]))).toEqual([
      '/latin1.yaml  the file is not UTF-8 text',
    ]);
  });

  it.each([
    ['that is empty', '', '1:1  the file is empty'],
    ['that holds comments only', '# nothing\n', '1:1  the file is empty'],
    ['that is a list', '- a\n- b\n', '1:1  the file holds a list'],
    ['that is a word', 'hello', '1:1  the file holds a single value'],
  ])('%s is refused', (_, text, start) => {
    expect(mistakesIn(text)).toEqual([`${start}; expected a mapping with listen, services, routes`]);
  });

  it('is used when it is right', () => {
    expect(mistakesOfFile('right.yaml', 'listen: 0\n')).toEqual([]);
  });
});

describe('YAML', () => {
  it('that is broken is refused where it breaks', () => {
    expect(mistakesIn('listen: 1\nroutes: [a, b\nadmin: off\n')).toEqual([
      expect.stringMatching(/^3:\d+ {2}not valid YAML: /),
    ]);
    expect(mistakesIn('listen: "a\n')).toEqual([expect.stringMatching(/^\d:\d+ {2}not valid YAML: /)]);
  });

  it('with a key twice is refused at the second', () => {
    expect(mistakesIn('listen: 1\nadmin: off\nlisten: 2\n')).toEqual([
      '3:1  the key listen appears twice in one mapping',
    ]);
  });

  it('with tabs is refused', () => {
    expect(mistakesIn('drain:\n\tdelay: 1s\n')).toEqual(['2:1  YAML is indented with spaces, not with tabs']);
  });

  it('with several documents is refused', () => {
    expect(mistakesIn('listen: 1\n---\nlisten: 2\n')).toEqual([
      '2:1  a configuration is one YAML document; a second one begins here',
    ]);
  });

  it('with a key that is no text is refused', () => {
    expect(mistakesIn('services:\n  ? [a]\n  : { endpoints: ["http://a"] }\n')).toContain(
      '2:5  services  a key is a plain text',
    );
  });

  it('with a tag is read as if the tag were not there, with a warning', () => {
    expect(warningsIn('log: { level: !loud info }')).toEqual(['1:15  the tag !loud has no meaning here']);
    expect(mistakesIn('log: { level: !!binary aGk= }')).toEqual([
      expect.stringContaining('1:24  log.level  "aGk="'),
    ]);
  });

  it('may use anchors and merge keys', () => {
    const text =
      'services:\n  a: &a { endpoints: ["http://a"], balance: random }\n  b: { <<: *a, endpoints: ["http://b"] }\n  c: *a\n';
    const { services } = configOf(text);
    expect(services.b).toMatchObject({
      balance: { type: 'random' },
      endpoints: [{ url: 'http://b', weight: 1 }],
    });
    expect(services.c).toEqual(services.a);
  });

  it('has the place of a merged option in the mapping it comes from', () => {
    const text = 'services:\n  a: &a { endpoints: ["http://a"], balance: rnadom }\n  b:\n    <<: *a\n';
    expect(mistakesIn(text).map((line) => line.split('  ').slice(0, 2))).toEqual([
      ['2:45', 'services.a.balance'],
      ['2:45', 'services.b.balance'],
    ]);
  });

  it('cannot make the loader run out of memory', () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'])
      lines.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(',')}]`);
    expect(mistakesIn(lines.join('\n'))).toEqual([
      '1:1  Excessive alias count indicates a resource exhaustion attack',
    ]);
  });

  it('counts lines that end in CR LF', () => {
    expect(mistakesIn('listen: 1\r\nadmin: off\r\nlog: { levle: info }\r\n')).toEqual([
      expect.stringContaining('3:8  log.levle'),
    ]);
  });
});
