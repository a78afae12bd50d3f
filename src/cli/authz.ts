import { readFileSync } from 'node:fs';
import { formatMistake, type Mistake, sortMistakes } from '../config/mistakes.js';
import type { Config } from '../config/schema.js';
import { ConfigDocument } from '../config/yaml/document.js';
import { type Case, REASONS, readCases } from './authz/cases.js';
import { Trial, type Verdict } from './authz/trial.js';
import { CONFIG_OPTION, type CommandGroup, FAILED, OK, type SubCommand } from './command.js';
import { readConfiguration } from './configuration.js';

interface Result extends Verdict {
  readonly tried: Case;
  /** `file:line:col`. */
  readonly where: string;
  readonly ok: boolean;
}

const test: SubCommand = {
  summary: 'run a table of cases against a configuration',
  usage: 'FILE -c CONFIG [--json]',
  description: `Runs a table of cases against a configuration: who, method, path → allow or deny. Sends nothing. FILE is a YAML list:
  - name: traders buy for themselves only
    as: { user: alice, roles: [trader], claims: { desk: fx } }    # or: as: anonymous
    method: POST
    path: /api/v1/orders/bob
    expect: deny
    reason: condition
Further members: host, headers, query, client (an address), decision (what external decision points say: allow, deny), and
in "as" scopes, consumer, plan, method, provider.
Reasons are ${REASONS.join(', ')}. Exit code 0 when all cases end as expected, else 1.`,
  options: {
    config: CONFIG_OPTION,
    json: { type: 'boolean', description: 'Print { ok, cases, mistakes } as JSON instead.' },
  },
  operands: ['FILE'],
  async run(input) {
    const [file = ''] = input.operands;
    const config = readConfiguration(input.needed('config'));
    if (config === null) return FAILED;
    const { cases, mistakes, locate } = readTable(file, config);
    const results = mistakes.length > 0 ? [] : await runAll(cases, config, locate);
    const failed = results.filter(({ ok }) => !ok).length;
    const ok = mistakes.length === 0 && failed === 0;
    if (input.flag('json')) {
      process.stdout.write(`${JSON.stringify({ ok, cases: results.map(forPrograms), mistakes }, null, 2)}\n`);
    } else if (mistakes.length > 0) {
      process.stderr.write(mistakes.map((mistake) => `${formatMistake(mistake)}\n`).join(''));
    } else {
      const summary = `${counted(results.length)}, ${failed === 0 ? 'all as expected' : `${failed} not as expected`}`;
      process.stdout.write([...results.map(forPeople), summary, ''].join('\n'));
    }
    return ok ? OK : FAILED;
  },
};

export const authz: CommandGroup = {
  description: 'Tries out who may do what.',
  commands: { test },
};

interface Table {
  readonly cases: readonly Case[];
  readonly mistakes: readonly Mistake[];
  locate(index: number): Mistake;
}

function readTable(file: string, { auth }: Config): Table {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `the file cannot be read: ${(error as NodeJS.ErrnoException).code}`;
    const mistake = { file, line: 0, col: 0, path: '', message };
    return { cases: [], mistakes: [mistake], locate: () => mistake };
  }
  const document = new ConfigDocument(text, file, process.env);
  const mistakes = [...document.mistakes];
  const cases =
    mistakes.length > 0
      ? []
      : readCases(document.value, Object.keys(auth.providers), (complaint) =>
          mistakes.push(document.locate(complaint)),
        );
  return {
    cases,
    mistakes: sortMistakes(mistakes),
    locate: (index) => document.locate({ path: [index], message: '' }),
  };
}

async function runAll(cases: readonly Case[], config: Config, locate: Table['locate']): Promise<Result[]> {
  const trial = new Trial(config);
  const results: Result[] = [];
  for (const tried of cases) {
    const verdict = await trial.judge(tried);
    const { file, line, col } = locate(tried.index);
    const ok =
      verdict.outcome === tried.expect && (tried.reason === undefined || verdict.reason === tried.reason);
    results.push({ ...verdict, tried, where: `${file}:${line}:${col}`, ok });
  }
  return results;
}

function forPeople({ tried, where, ok, outcome, reason, route, detail }: Result): string {
  const became = reason === '' ? outcome : `${outcome} (${reason})`;
  const by = route === null ? '' : ` by route "${route}"`;
  if (ok) return `ok    ${tried.name}: ${became}${by}`;
  const expected = tried.reason === undefined ? tried.expect : `${tried.expect} (${tried.reason})`;
  const why = detail === '' ? '' : `: ${detail}`;
  return `FAIL  ${where}  ${tried.name}: ${became}${by}, expected ${expected}${why}`;
}

function forPrograms({ tried, where, ok, outcome, reason, route, detail }: Result): Record<string, unknown> {
  const { name, method, path, expect } = tried;
  return { name, where, method, path, expect, outcome, reason, route, detail, ok };
}

function counted(count: number): string {
  return `${count} case${count === 1 ? '' : 's'}`;
}
