import { describe, expect, it } from 'vitest';
import { configFile, sluice } from './sluice.ts';

const right = configFile(
  'right.yaml',
  'routes:\n  - { name: home, match: { path: / }, respond: { body: hi } }\n',
);
const wrong = configFile(
  'wrong.yaml',
  'listen: { prot: 1 }\nservices: { a: { endpoints: ["http://a"] } }\nworkers: none\n',
);

describe('sluice check', () => {
  it('exits with 0 when the file is right', () => {
    expect(sluice('check', '-c', right)).toEqual({
      code: 0,
      out: `${right} is right: 1 route, 0 services\n`,
      err: '',
    });
  });

  it('lists all mistakes and warnings, and exits with 1', () => {
    const { code, out, err } = sluice('check', '--config', wrong);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out.split('\n')).toEqual([
      expect.stringMatching(
        /wrong\.yaml:1:11 {2}listen\.prot {2}unknown option "prot"; .*; did you mean port\?$/,
      ),
      `${wrong}:3:10  workers  "none" is not allowed here; expected auto, or a whole number from 1 to 1024`,
      `warning  ${wrong}:2:13  services.a  no route uses the service "a"`,
      `${wrong} has 2 mistakes`,
      '',
    ]);
  });

  it('says the same as JSON', () => {
    const { code, out } = sluice('check', '-c', wrong, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      mistakes: [
        {
          file: wrong,
          line: 1,
          col: 11,
          path: 'listen.prot',
          message: 'unknown option "prot"',
          suggestion: 'port',
        },
        { line: 3, col: 10, path: 'workers' },
      ],
      warnings: [{ line: 2, col: 13, path: 'services.a' }],
    });
    expect(JSON.parse(sluice('check', '-c', right, '--json').out)).toEqual({
      ok: true,
      mistakes: [],
      warnings: [],
    });
  });

  it('exits with 1 when there is no file', () => {
    expect(sluice('check', '-c', '/absent.yaml')).toEqual({
      code: 1,
      out: '/absent.yaml  the file does not exist\n/absent.yaml has 1 mistake\n',
      err: '',
    });
  });
});

describe('sluice start', () => {
  it('with a file that is wrong lists its mistakes on standard error and exits with 1', () => {
    const { code, out, err } = sluice('start', '-c', wrong);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err.split('\n')).toHaveLength(3);
    expect(err).toContain(`${wrong}:1:11  listen.prot  `);
  });
});

describe('sluice schema', () => {
  it('prints a JSON Schema', () => {
    const { code, out } = sluice('schema');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'Sluice configuration',
      additionalProperties: false,
    });
  });
});
