import type { ReadCount, UsageRow } from '../../services/limits/quotas/usage.js';
import { csvOf, UsageBook, type UsageSpan } from '../../services/limits/quotas/usage-book.js';
import { type Call, type ControlPlane, type Endpoint, json, problem, type Reply } from '../admin/endpoint.js';
import type { QuotaControl } from './quota-control.js';

const MOST_PERIODS = 400;
const PAGE = 100;
const LARGEST_PAGE = 1_000;

const one: Endpoint = {
  path: '/usage/:caller',
  method: 'GET',
  summary:
    'What a consumer has used of its quotas; ?as=user for a user, ?history=N for past periods, ?format=csv.',
  handle: withUsage((book, call, span) => {
    const name = call.params.caller;
    const kind = call.query.get('as') === 'user' ? 'user' : 'consumer';
    const found = book.of(kind, name, span);
    if (found === null) {
      return problem(404, 'Not found', `there is no ${kind} "${name}", and nothing was counted for one`);
    }
    return answer(call, found.rows, () => {
      const { plan, rows } = found;
      const [history, quotas] = [rows.filter(isPast), rows.filter((row) => !isPast(row))];
      return { [kind]: name, plan, quotas, ...(span.history > 0 && { history }) };
    });
  }),
};

const all: Endpoint = {
  path: '/usage',
  method: 'GET',
  summary:
    'The same for all consumers, by name: ?limit=100, ?after=NAME for the next page, ?as=user, ?history=N, ?format=csv.',
  handle: withUsage((book, call, span) => {
    const kind = call.query.get('as') === 'user' ? 'user' : 'consumer';
    const most = Number(call.query.get('limit') ?? PAGE);
    if (!Number.isInteger(most) || most < 1 || most > LARGEST_PAGE) {
      return problem(400, 'Bad request', `limit: expected a whole number from 1 to ${LARGEST_PAGE}`);
    }
    const { rows, next } = book.page(kind, call.query.get('after') ?? '', most, span);
    const reply = answer(call, rows, () => ({ usage: rows, next }));
    if (next === null) return reply;
    // RFC 8288: a reader of CSV has no member to look at.
    const query = new URLSearchParams(call.query);
    query.set('after', next);
    return { ...reply, headers: { link: `</usage?${query}>; rel="next"` } };
  }),
};

export const usageEndpoints: readonly Endpoint[] = [all, one];

function withUsage(handle: (book: UsageBook, call: Call, span: UsageSpan) => Reply): Endpoint['handle'] {
  return async function handleUsage(plane, call) {
    const quotas = plane.quotas();
    if (quotas === null) return problem(409, 'No quotas', 'the configuration has no quotas');
    const as = call.query.get('as') ?? 'consumer';
    if (as !== 'consumer' && as !== 'user') {
      return problem(400, 'Bad request', 'as: expected consumer or user');
    }
    const format = call.query.get('format') ?? 'json';
    if (format !== 'json' && format !== 'csv')
      return problem(400, 'Bad request', 'format: expected json or csv');
    const history = Number(call.query.get('history') ?? 0);
    if (!Number.isInteger(history) || history < 0 || history > MOST_PERIODS) {
      return problem(400, 'Bad request', `history: expected a whole number of periods up to ${MOST_PERIODS}`);
    }
    const book = await bookOf(plane, quotas);
    const time = quotas.now();
    return await quotas.countedBy((read, most) =>
      handle(book(read), call, { time, history: Math.min(history, most) }),
    );
  };
}

async function bookOf(plane: ControlPlane, quotas: QuotaControl): Promise<(read: ReadCount) => UsageBook> {
  const { Usage } = await import('../../services/limits/quotas/usage.js');
  const usage = new Usage(plane.inForce().config, quotas.seed(), quotas.sharedSeed());
  const records = plane.records()?.store ?? null;
  return (read) => new UsageBook({ usage, read, callers: quotas.file, records });
}

function answer(call: Call, rows: readonly UsageRow[], document: () => object): Reply {
  const format = call.query.get('format') ?? (call.accept.includes('text/csv') ? 'csv' : 'json');
  if (format === 'json') return json(document());
  return { status: 200, body: csvOf(rows), contentType: 'text/csv; charset=utf-8; header=present' };
}

function isPast({ max }: UsageRow): boolean {
  return max === null;
}
