/** Open WebSockets of all workers, for operators. */
import type { SocketFilter, SocketView } from '../../bus/socket-calls.js';
import type { Supervisor } from '../supervisor.js';

const ANSWER_WITHIN_MS = 2000;

export interface SocketPage {
  readonly sockets: readonly SocketView[];
  /** Behind which the next page begins; null: this was the last. */
  readonly next: string | null;
}

export class SocketControl {
  readonly #supervisor: () => Pick<Supervisor, 'ask' | 'count'>;

  constructor(supervisor: () => Pick<Supervisor, 'ask' | 'count'>) {
    this.#supervisor = supervisor;
  }

  /** Worker after worker, in each in the order in which they were opened. `worker`: of this one alone. */
  async page(filter: SocketFilter, after: string, limit: number, worker: number | null): Promise<SocketPage> {
    const { count } = this.#supervisor();
    const sockets: SocketView[] = [];
    const first = worker ?? Math.max(1, workerOf(after));
    for (let id = first; id <= (worker ?? count) && sockets.length <= limit; id++) {
      const from = id === workerOf(after) ? after : '';
      // One more than asked for tells whether there is another page.
      const query = { filter, after: from, limit: limit + 1 - sockets.length };
      sockets.push(...((await this.#supervisor().ask(id, 'listSockets', query, ANSWER_WITHIN_MS)) ?? []));
    }
    const page = sockets.slice(0, limit);
    return { sockets: page, next: sockets.length > limit ? (page.at(-1)?.id ?? null) : null };
  }

  async find(id: string): Promise<SocketView | null> {
    const query = { filter: { id }, after: '', limit: 1 };
    return (await this.#supervisor().ask(workerOf(id), 'listSockets', query, ANSWER_WITHIN_MS))?.[0] ?? null;
  }

  /** Resolves with how many were closed. */
  async close(filter: SocketFilter, code: number, reason: string): Promise<number> {
    const query = { filter, code, reason };
    const { count } = this.#supervisor();
    const workers =
      filter.id === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [workerOf(filter.id)];
    const closed = await Promise.all(
      workers.map((worker) => this.#supervisor().ask(worker, 'closeSockets', query, ANSWER_WITHIN_MS)),
    );
    return closed.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  }
}

/** Which worker an id is of; 0: of none. */
export function workerOf(id: string): number {
  return Number(/^([1-9]\d{0,3})-[0-9a-f]{10}-[0-9a-z]{1,10}$/.exec(id)?.[1] ?? 0);
}
