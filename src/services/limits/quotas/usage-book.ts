/** Who has used how much: callers by name, from the records of consumers and keys and from those who were counted. */
import type { ConsumerRecord, KeyRecord } from '../../keys/key-record.js';
import type { CallerKind, StoredCaller } from '../../store/quotas/quota-file.js';
import type { RecordReader } from '../../store/record-store.js';
import type { ReadCount, Subject, Usage, UsageRow } from './usage.js';

export interface UsageSources {
  readonly usage: Usage;
  readonly read: ReadCount;
  readonly callers: Callers;
  /** null: the configuration has no keys and consumers. */
  readonly records: Pick<RecordReader, 'get' | 'list'> | null;
}

/** Those who were counted. */
export interface Callers {
  caller(kind: CallerKind, name: string): StoredCaller | undefined;
  callers(kind: CallerKind, after: string): Iterable<readonly [name: string, caller: StoredCaller]>;
}

/** Milliseconds since 1970, and how many periods before the present one are shown, too. */
export interface UsageSpan {
  readonly time: number;
  readonly history: number;
}

type KeysByConsumer = ReadonlyMap<string, Subject['keys']>;

export class UsageBook {
  readonly #sources: UsageSources;

  constructor(sources: UsageSources) {
    this.#sources = sources;
  }

  /** null: nobody of this name is known. */
  of(
    kind: CallerKind,
    name: string,
    { time, history }: UsageSpan,
  ): { plan: string; rows: UsageRow[] } | null {
    const { usage, read, callers, records } = this.#sources;
    const subject = this.#subject(kind, name, this.#keys());
    const rows = usage.rows(subject, read, time, history);
    const isRecord = kind === 'consumer' && records?.get('consumer', name) !== undefined;
    const isKnown = isRecord || callers.caller(kind, name) !== undefined || rows.some(({ used }) => used > 0);
    return isKnown ? { plan: usage.planOf(subject.plan), rows } : null;
  }

  /** The next `most` callers behind the name `after`, in the order of their names; `next` is for the following page. */
  page(
    kind: CallerKind,
    after: string,
    most: number,
    { time, history }: UsageSpan,
  ): { rows: UsageRow[]; next: string | null } {
    const { usage, read } = this.#sources;
    const names = this.#names(kind, after, most + 1);
    const keys = this.#keys();
    const shown = names.slice(0, most);
    return {
      rows: shown.flatMap((name) => usage.rows(this.#subject(kind, name, keys), read, time, history)),
      next: names.length > most ? (shown.at(-1) ?? null) : null,
    };
  }

  #names(kind: CallerKind, after: string, most: number): string[] {
    const { callers, records } = this.#sources;
    const names = new Set<string>();
    for (const [name] of callers.callers(kind, after)) {
      names.add(name);
      if (names.size >= most) break;
    }
    if (kind === 'consumer' && records !== null) {
      for (const [name] of records.list('consumer'))
        if (after === '' || order(name, after) > 0) names.add(name);
    }
    return [...names].sort(order).slice(0, most);
  }

  #keys(): KeysByConsumer {
    const byConsumer = new Map<string, Subject['keys'][number][]>();
    for (const [, { id, consumer, plan, roles }] of this.#sources.records?.list<KeyRecord>('key') ?? []) {
      const keys = byConsumer.get(consumer);
      if (keys === undefined) byConsumer.set(consumer, [{ id, plan, roles }]);
      else keys.push({ id, plan, roles });
    }
    return byConsumer;
  }

  #subject(kind: CallerKind, name: string, byConsumer: KeysByConsumer): Subject {
    const { callers, records } = this.#sources;
    if (kind === 'user') {
      return {
        consumer: '',
        user: name,
        plan: callers.caller('user', name)?.plan ?? '',
        roles: [],
        keys: [],
      };
    }
    const record = records?.get<ConsumerRecord>('consumer', name);
    const plan = record === undefined ? (callers.caller('consumer', name)?.plan ?? '') : record.plan;
    // A key's plan beats that of its consumer.
    const keys = (byConsumer.get(name) ?? []).map((key) => ({ ...key, plan: key.plan || plan }));
    return { consumer: name, user: '', plan, roles: record?.roles ?? [], keys };
  }
}

/** As the store orders them: by the bytes of UTF-8. */
function order(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const COLUMNS = [
  'consumer',
  'user',
  'key',
  'plan',
  'quota',
  'route',
  'per',
  'since',
  'used',
  'max',
  'remaining',
  'resetsAt',
] as const satisfies readonly (keyof UsageRow)[];

/** RFC 4180, with a head. */
export function csvOf(rows: readonly UsageRow[]): string {
  const lines = rows.map((row) => COLUMNS.map((column) => cellOf(row[column])).join(','));
  return `${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`;
}

function cellOf(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // Names may come from tokens: none of them becomes a formula in somebody's spreadsheet.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
