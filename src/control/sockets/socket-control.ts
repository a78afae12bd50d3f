/** Open WebSockets of all workers, for operators. */
import type { SocketFilter, SocketView } from '../../bus/socket-calls.js';
import type { Supervisor } from '../supervisor.js';

const ANSWER_WITHIN_MS = 2000;

export interface SocketPage {
  readonly sockets: readonly SocketView[];
  /** Behind which the next page begins; null: this was the last. */
  readonly next: string | null;
  /** Workers that run and have not answered in time; absent: all have. */
  readonly late?: readonly number[];
}

export interface SocketsClosed {
  readonly closed: number;
  /** Workers that run and have not answered in time: they do it as soon as they can. Absent: all have. */
  readonly late?: readonly number[];
}

type Workers = Pick<Supervisor, 'ask' | 'views'>;

export class SocketControl {
  readonly #workers: () => Workers;

  constructor(workers: () => Workers) {
    this.#workers = workers;
  }

  /** Worker after worker, in each in the order in which they were opened. `worker`: of this one alone. */
  async page(filter: SocketFilter, after: string, limit: number, worker: number | null): Promise<SocketPage> {
    const behind = workerOf(after);
    const sockets: SocketView[] = [];
    const late: number[] = [];
    for (const id of this.#running()) {
      if (id < behind || (worker !== null && id !== worker)) continue;
      // One more than asked for tells whether there is another page.
      const query = { filter, after: id === behind ? after : '', limit: limit + 1 - sockets.length };
      if (query.limit <= 0) break;
      const some = await this.#workers().ask(id, 'listSockets', query, ANSWER_WITHIN_MS);
      if (some === null) late.push(id);
      else sockets.push(...some);
    }
    const page = sockets.slice(0, limit);
    const next = sockets.length > limit ? (page.at(-1)?.id ?? null) : null;
    return { sockets: page, next, ...(late.length > 0 && { late }) };
  }

  async find(id: string): Promise<SocketView | null> {
    const query = { filter: { id }, after: '', limit: 1 };
    return (await this.#workers().ask(workerOf(id), 'listSockets', query, ANSWER_WITHIN_MS))?.[0] ?? null;
  }

  async close(filter: SocketFilter, code: number, reason: string): Promise<SocketsClosed> {
    const query = { filter, code, reason };
    const { id } = filter;
    const asked = this.#running().filter((worker) => id === undefined || worker === workerOf(id));
    const answers = await Promise.all(
      asked.map((worker) => this.#workers().ask(worker, 'closeSockets', query, ANSWER_WITHIN_MS)),
    );
    const late = asked.filter((_, i) => answers[i] === null);
    const closed = answers.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    return { closed, ...(late.length > 0 && { late }) };
  }

  /** One that starts has no sockets yet. */
  #running(): number[] {
    const views = this.#workers().views();
    return views.flatMap(({ id, state }) => (state === 'ready' ? [id] : []));
  }
}

/** Which worker an id is of; 0: of none. */
export function workerOf(id: string): number {
  return Number(/^([1-9]\d{0,3})-[0-9a-f]{10}-[0-9a-z]{1,10}$/.exec(id)?.[1] ?? 0);
}
