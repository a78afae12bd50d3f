/**
 * A client on a bare socket: sends exactly the bytes it is given, and judges strictly whether an answer is whole.
 *
 *   const client = await connectRaw(gateway.url);
 *   client.send('GET /quotes HTTP/1.1\r\nHost: a\r\n\r\n');
 *   const answer = await client.answer();
 *
 * Its socket is closed when the test that opened it ends.
 */
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { eventually } from './eventually.ts';

export interface RawAnswer {
  status: number;
  /** Names in lower case, in the order of arrival. */
  fields: [name: string, value: string][];
  /** First value of a field. */
  header(name: string): string | undefined;
  /** All values of a field. */
  all(name: string): string[];
  body: Buffer;
  /** Fields behind a chunked body. */
  trailers: [name: string, value: string][];
  /** What said where the body ends. */
  framing: 'length' | 'chunked' | 'close' | 'none';
  /** False: the connection ended before the answer did. */
  complete: boolean;
}

export class RawClient {
  readonly socket: Socket;
  /** Bytes that belong to no answer that was asked for yet. */
  received = Buffer.alloc(0);
  /** The other side has ended the connection, or cut it. */
  ended = false;
  #cut: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on('error', (error) => {
      this.#cut = error;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('close', () => {
      this.ended = true;
    });
  }

  send(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  /** The next whole answer, or what there was of it when the connection ended. Interim answers are skipped. */
  async answer({ to = 'GET', withinMs = 8000 }: { to?: string; withinMs?: number } = {}): Promise<RawAnswer> {
    for (;;) {
      const answer = await eventually(() => this.#parse(to), { what: 'an answer', withinMs, everyMs: 2 });
      if (answer.status >= 200 || !answer.complete) return answer;
    }
  }

  /** Waits until these bytes have arrived. */
  async until(text: string, withinMs = 5000): Promise<void> {
    await eventually(() => this.received.includes(text, 0, 'latin1'), {
      what: `"${text}"`,
      withinMs,
      everyMs: 2,
    });
  }

  /** Waits until the other side has closed the connection. */
  async closed(withinMs = 5000): Promise<void> {
    await eventually(() => this.ended, { what: 'the end of the connection', withinMs, everyMs: 2 });
  }

  /** Cuts the connection with a reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }

  #parse(method: string): RawAnswer | null {
    const headEnd = this.received.indexOf('\r\n\r\n');
    if (headEnd < 0) {
      if (!this.ended) return null;
      if (this.received.length > 0) return this.#take(broken(this.received), this.received.length);
      throw this.#cut ?? new Error('the connection ended without an answer');
    }
    const answer = readHead(this.received.toString('latin1', 0, headEnd));
    const rest = this.received.subarray(headEnd + 4);
    const used = readBody(answer, method, rest, this.ended && this.#cut === null);
    if (used < 0 && !this.ended) return null;
    return this.#take(answer, used < 0 ? this.received.length : headEnd + 4 + used);
  }

  #take(answer: RawAnswer, used: number): RawAnswer {
    this.received = this.received.subarray(used);
    return answer;
  }
}

export async function connectRaw(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  const client = new RawClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  onTestFinished(() => client.close());
  return client;
}

/** One exchange on a connection of its own. */
export async function exchangeRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const client = await connectRaw(url);
  client.send(bytes);
  const answer = await client.answer({ to: bytes.toString('latin1').split(' ', 1)[0] });
  client.close();
  return answer;
}

/** The head of a request without a body: `get('/a', 'x-one: 1')`. */
export function get(target: string, ...fields: string[]): string {
  return head('GET', target, ...fields);
}

/** A request head; the body follows by itself. */
export function head(method: string, target: string, ...fields: string[]): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: shop.example.com', ...fields, '', ''].join('\r\n');
}

/** A request with a body of known length. */
export function post(target: string, body: string, ...fields: string[]): string {
  return head('POST', target, `Content-Length: ${Buffer.byteLength(body)}`, ...fields) + body;
}

function readHead(text: string): RawAnswer {
  const lineEnd = text.indexOf('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})[ \r]/.exec(`${text}\r`)?.[1]);
  return answerOf(status, lineEnd < 0 ? [] : readFields(text.slice(lineEnd + 2)));
}

function readFields(text: string): [string, string][] {
  if (text === '') return [];
  return text.split('\r\n').map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
}

function answerOf(status: number, fields: [string, string][]): RawAnswer {
  return {
    status,
    fields,
    header: (name) => fields.find(([field]) => field === name)?.[1],
    all: (name) => fields.filter(([field]) => field === name).map(([, value]) => value),
    body: Buffer.alloc(0),
    trailers: [],
    framing: 'none',
    complete: false,
  };
}

function broken(bytes: Buffer): RawAnswer {
  return { ...answerOf(Number.NaN, []), body: bytes };
}

/** Fills in the body (RFC 9112 §6.3) and gives the number of bytes it takes; -1 while it is not whole. */
function readBody(answer: RawAnswer, method: string, rest: Buffer, endedCleanly: boolean): number {
  const { status } = answer;
  const lengths = answer.all('content-length');
  const codings = answer.all('transfer-encoding');
  if (lengths.length + codings.length > 1) throw new Error('the answer is framed twice');
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') {
    answer.complete = true;
    return 0;
  }
  if (codings.length > 0) {
    answer.framing = 'chunked';
    return readChunks(answer, rest);
  }
  if (lengths.length > 0) {
    answer.framing = 'length';
    const length = Number(lengths[0]);
    answer.body = rest.subarray(0, length);
    answer.complete = rest.length >= length;
    return answer.complete ? length : -1;
  }
  answer.framing = 'close';
  answer.body = rest;
  answer.complete = endedCleanly;
  return endedCleanly ? rest.length : -1;
}

function readChunks(answer: RawAnswer, rest: Buffer): number {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) break;
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error(`no chunk size: ${rest.toString('latin1', at, at + 80)}`);
    const start = lineEnd + 2;
    if (size === 0) {
      const end = rest.indexOf('\r\n\r\n', lineEnd);
      answer.body = Buffer.concat(parts);
      answer.complete = end >= 0;
      answer.trailers = readFields(rest.toString('latin1', start, Math.max(start, end)));
      return end < 0 ? -1 : end + 4;
    }
    parts.push(rest.subarray(start, start + size));
    if (rest.length < start + size + 2) break;
    at = start + size + 2;
  }
  answer.body = Buffer.concat(parts);
  return -1;
}
