import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { failures } from '../src/errors.ts';

interface Documented {
  blame: string;
  code: string;
  status: number;
  /** Empty when the table has no such column. */
  proxyStatus: string;
  texts: string[];
}

/** The rows of the tables in docs/errors.md; the heading above a table says who is to blame. */
function readDocumentation(): Documented[] {
  const rows: Documented[] = [];
  let blame = '';
  let columns: string[] = [];
  for (const line of readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8').split('\n')) {
    if (line.startsWith('## ')) blame = line.slice(3);
    if (!line.startsWith('|')) continue;
    const cells = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    if (cells[0] === 'code') columns = cells;
    if (!cells[0].startsWith('`')) continue;
    const cell = (column: string) => cells[columns.indexOf(column)] ?? '';
    rows.push({
      blame,
      code: bare(cell('code')),
      status: Number(cell('status')),
      proxyStatus: bare(cell('Proxy-Status')),
      texts: [cell('when'), cell('what to do')],
    });
  }
  return rows;
}

function bare(cell: string): string {
  return cell.replaceAll('`', '');
}

const documented = readDocumentation();

describe('docs/errors.md', () => {
  it('has a line for each failure, and none for anything else', () => {
    expect(documented.map((row) => row.code).sort()).toEqual(failures.map((failure) => failure.code).sort());
  });

  it.each(failures.map((failure) => [failure.code, failure] as const))(
    'gives status, blame and Proxy-Status of %s as the code does',
    (code, failure) => {
      const row = documented.find((candidate) => candidate.code === code);
      expect(row).toMatchObject({
        status: failure.status,
        blame: failure.blame,
        proxyStatus: failure.proxyStatus ?? '',
      });
      for (const text of row?.texts ?? []) expect(text).not.toBe('');
    },
  );
});

describe('a failure', () => {
  it('has a code of its own in upper snake case', () => {
    const codes = failures.map((failure) => failure.code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  });

  it('cannot be changed', () => {
    for (const failure of failures) expect(Object.isFrozen(failure)).toBe(true);
  });

  it('names a Proxy-Status exactly when it is a 502, 503 or 504', () => {
    for (const { status, proxyStatus } of failures) {
      expect(proxyStatus !== null).toBe(status >= 502 && status <= 504);
    }
  });

  it('blames the client for a 4xx and never for a 5xx', () => {
    for (const { status, blame } of failures) expect(blame === 'client').toBe(status < 500);
  });

  it('carries the members of its problem document that never differ', () => {
    for (const { bodyHead, code, status, title } of failures) {
      const document = JSON.parse(`${bodyHead}}`);
      expect(document).toEqual({
        type: `urn:sluice:error:${code.toLowerCase().replaceAll('_', '-')}`,
        title,
        status,
        code,
        error: code,
      });
    }
  });

  it('says what happened in one sentence without an address', () => {
    for (const { detail } of failures) {
      expect(detail).toMatch(/^[A-Z].*\.$/);
      expect(detail).not.toMatch(/\d+\.\d+\.\d+\.\d+|:\/\//);
    }
  });
});
