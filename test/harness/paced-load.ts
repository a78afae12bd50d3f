/**
 * Requests at a given pace, whether they are answered or not, over connections that stay open. What came back is counted by status,
 * and how long it took, from when the request was due.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface PacedOptions {
  url: string;
  path: string;
  /** Per second. */
  pace: number;
  connections?: number;
  headers?: string;
}

export class PacedLoad {
  /** By status; 0: the connection broke. */
  readonly statuses = new Map<number, number>();
  /** Milliseconds, of all answers. */
  readonly latencies: number[] = [];
  sent = 0;
  readonly #options: PacedOptions;
  readonly #text: string;
  readonly #idle: Socket[] = [];
  readonly #all = new Set<Socket>();
  readonly #waiting: number[] = [];
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #stopped = false;

  constructor(options: PacedOptions) {
    this.#options = options;
    this.#text = `GET ${options.path} HTTP/1.1\r\nhost: test\r\n${options.headers ?? ''}\r\n`;
    for (let i = 0; i < (options.connections ?? 16); i++) this.#open();
    this.#timer = setInterval(() => this.#pump(), 2);
  }

  count(status: number): number {
    return this.statuses.get(status) ?? 0;
  }

  /** Statuses that are neither of these. */
  others(...expected: number[]): number[] {
    return [...this.statuses.keys()].filter((status) => !expected.includes(status));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (let i = 0; i < 100 && this.#idle.length < this.#all.size; i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of this.#all) socket.destroy();
  }

  #pump(): void {
    const now = performance.now();
    const due = Math.floor(((now - this.#startedAt) * this.#options.pace) / 1000);
    for (; this.#due < due; this.#due++) this.#waiting.push(now);
    this.#send();
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#idle.length > 0) {
      const socket = this.#idle.pop() as Socket & { sentAt: number };
      socket.sentAt = this.#waiting.shift() as number;
      socket.write(this.#text);
      this.sent++;
    }
  }

  #open(): void {
    const { hostname, port } = new URL(this.#options.url);
    const socket = connect(Number(port), hostname) as Socket & { sentAt: number };
    socket.setNoDelay(true);
    socket.sentAt = 0;
    this.#all.add(socket);
    let text = '';
    void once(socket, 'connect').then(
      () => {
        this.#idle.push(socket);
        this.#send();
      },
      () => {},
    );
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
      if (text.length < head + 4 + length) return;
      this.#count(Number(text.slice(9, 12)));
      this.latencies.push(performance.now() - socket.sentAt);
      text = '';
      socket.sentAt = 0;
      this.#idle.push(socket);
      this.#send();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#stopped) return;
      if (socket.sentAt !== 0) this.#count(0);
      this.#all.delete(socket);
      const at = this.#idle.indexOf(socket);
      if (at >= 0) this.#idle.splice(at, 1);
      this.#open();
    });
  }

  #count(status: number): void {
    this.statuses.set(status, this.count(status) + 1);
  }
}
