import { existsSync } from 'node:fs';
import type { UsageRow } from '../../services/limits/quotas/usage.js';
import type { UsageBook, UsageSpan } from '../../services/limits/quotas/usage-book.js';
import { RecordFault } from '../../services/records/record-fault.js';
import { CONFIG_OPTION, type Command, UsageError } from '../command.js';
import { printJson, printTable, remark, withStore } from './store.js';

const PAGE = 500;
const MOST_PERIODS = 400;
const FORMATS = ['table', 'json', 'csv'];

export const usage: Command = {
  usage: '[CONSUMER] -c FILE [--format table|json|csv] [--history N] [--user]',
  description: `Shows what consumers have used of their quotas, one of them or all. Reads what the gateway has written to its store, whether it
runs or not: counts are up to a second old.`,
  options: {
    config: CONFIG_OPTION,
    format: { type: 'string', value: 'FORMAT', description: 'table (default), json or csv.' },
    history: {
      type: 'string',
      value: 'N',
      description: 'Past days, weeks and months to show, too, as far as they are kept.',
    },
    user: { type: 'boolean', description: 'Users who belong to no consumer instead.' },
  },
  optional: ['CONSUMER'],
  run(input) {
    const format = input.text('format') ?? 'table';
    if (!FORMATS.includes(format)) throw new UsageError(`--format ${format}: expected ${FORMATS.join(', ')}`);
    const history = Number(input.text('history') ?? 0);
    if (!Number.isInteger(history) || history < 0 || history > MOST_PERIODS) {
      throw new UsageError(`--history: expected a whole number up to ${MOST_PERIODS}`);
    }
    const kind = input.flag('user') ? 'user' : 'consumer';
    const [name] = input.operands;
    return withStore(input, async (store, config) => {
      const { QuotaFile } = await import('../../services/store/quotas/quota-file.js');
      const { Usage } = await import('../../services/limits/quotas/usage.js');
      const { csvOf, UsageBook } = await import('../../services/limits/quotas/usage-book.js');
      const data = config.data as string;
      const file = existsSync(QuotaFile.pathIn(data)) ? QuotaFile.open(data) : null;
      try {
        const seed = file?.seed() ?? null;
        if (file === null || seed === null) {
          throw new RecordFault('missing', 'no gateway has counted for quotas in this store yet');
        }
        const read = (h1: number, h2: number) => file.count(h1, h2);
        const book = new UsageBook({
          usage: new Usage(config, seed, file.sharedSeed()),
          read,
          callers: file,
          records: store,
        });
        const span = { time: Date.now(), history };
        const rows = name === undefined ? allIn(book, kind, span) : rowsOf(book, kind, name, span);
        if (format === 'csv') process.stdout.write(csvOf(rows));
        else if (format === 'json') printJson({ usage: rows });
        else if (rows.length === 0) remark('nobody, or no quotas');
        else printTable([HEAD, ...rows.map(lineOf)]);
      } finally {
        await file?.close();
      }
    });
  },
};

const HEAD = ['CALLER', 'KEY', 'PLAN', 'QUOTA', 'SINCE', 'USED', 'MAX', 'REMAINING', 'RESETS'];

function rowsOf(book: UsageBook, kind: 'consumer' | 'user', name: string, span: UsageSpan): UsageRow[] {
  const found = book.of(kind, name, span);
  if (found === null) {
    throw new RecordFault('missing', `there is no ${kind} "${name}", and nothing was counted for one`);
  }
  return found.rows;
}

function allIn(book: UsageBook, kind: 'consumer' | 'user', span: UsageSpan): UsageRow[] {
  const rows: UsageRow[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const page: { rows: UsageRow[]; next: string | null } = book.page(kind, after, PAGE, span);
    rows.push(...page.rows);
    after = page.next;
  }
  return rows;
}

function lineOf(row: UsageRow): string[] {
  const { consumer, user, key, plan, quota, route, since, used, max, remaining, resetsAt } = row;
  const figure = (value: number | null) => (value === null ? '-' : String(value));
  return [
    ...[consumer || user, key || '-', plan || '-', route === '' ? quota : `${quota} ${route}`],
    ...[since, String(used), figure(max), figure(remaining), resetsAt ?? '-'],
  ];
}
