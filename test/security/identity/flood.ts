/** Very many requests over few connections, each sent when the one before it on its connection has its answer. */
import { connect } from 'node:net';

export interface Flood {
  /** How many answers had this status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Milliseconds that each answer took, shortest first. */
  readonly times: readonly number[];
  /** The same, in the order of the requests. */
  readonly timesInOrder: readonly number[];
  readonly tookMs: number;
}

/** `requests` without bodies, answered with `Content-Length`. Rejects when the gateway closes a connection. */
export async function flood(url: string, requests: readonly string[], connections: number): Promise<Flood> {
  const statuses = new Map<number, number>();
  const timesInOrder: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const client = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      let received = '';
      let sentAt = 0;
      let at = 0;
      const send = () => {
        if (next === requests.length) return void socket.end(resolve);
        at = next++;
        sentAt = performance.now();
        socket.write(requests[at], 'latin1');
      };
      socket.setNoDelay(true).setEncoding('latin1');
      socket.on('connect', send);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connection was closed')));
      socket.on('data', (chunk: string) => {
        received += chunk;
        const end = received.indexOf('\r\n\r\n');
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1] ?? Number.NaN);
        if (end < 0 || received.length < end + 4 + length) return;
        const status = Number(received.slice(9, 12));
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        timesInOrder[at] = performance.now() - sentAt;
        received = '';
        send();
      });
    });
  await Promise.all(Array.from({ length: Math.min(connections, requests.length) }, client));
  const times = timesInOrder.toSorted((a, b) => a - b);
  return { statuses, times, timesInOrder, tookMs: performance.now() - startedAt };
}

export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
