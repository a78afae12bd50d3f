/**
 * A service on bare sockets that reads requests properly and answers them as a script says: for answers that no HTTP
 * library would send.
 *
 *   const service = await startScriptedService();
 *   service.on('/half', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'));
 *
 * Paths without a script are answered with 200 and the path.
 */
import type { Socket } from 'node:net';
import { type RunningService, startRawService } from './service.ts';

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** Names in lower case, in the order of arrival. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  header(name: string): string | undefined;
  all(name: string): string[];
  /** What has arrived of the body. */
  body: Buffer;
  /** Resolves when all of it has; with what there was when the connection ends before. */
  readonly whole: Promise<Buffer>;
  /** How many requests came on this connection before it. */
  readonly earlier: number;
  readonly socket: Socket;
}

export type Script = (socket: Socket, request: RawRequest) => void | Promise<void>;

export interface ScriptedService extends RunningService {
  readonly seen: RawRequest[];
  /** For each request to this path (its query does not count). */
  on(path: string, script: Script): void;
  /** Requests to this path so far. */
  to(path: string): RawRequest[];
}

export async function startScriptedService(): Promise<ScriptedService> {
  const scripts = new Map<string, Script>();
  const seen: RawRequest[] = [];
  const service = await startRawService((socket) => {
    readRequests(socket, (request) => {
      seen.push(request);
      const script = scripts.get(pathOf(request)) ?? answerWithPath;
      void script(socket, request);
    });
  });
  return Object.assign(service, {
    seen,
    on: (path: string, script: Script) => void scripts.set(path, script),
    to: (path: string) => seen.filter((request) => pathOf(request) === path),
  });
}

/** A whole answer of status 200. */
export function ok(body: string, ...fields: string[]): string {
  return ['HTTP/1.1 200 OK', ...fields, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n');
}

async function answerWithPath(socket: Socket, request: RawRequest): Promise<void> {
  await request.whole;
  socket.write(request.method === 'HEAD' ? ok('') : ok(request.target));
}

function pathOf({ target }: RawRequest): string {
  return target.split('?', 1)[0];
}

interface Reading extends RawRequest {
  /** Bytes of the body that are still to come; -1 when it is chunked. */
  left: number;
  /** Bytes of the current chunk that are still to come. */
  chunkLeft: number;
  finish(): void;
}

function readRequests(socket: Socket, onRequest: (request: RawRequest) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  let current: Reading | null = null;
  let count = 0;
  socket.on('close', () => current?.finish());
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (current === null) {
        const end = pending.indexOf('\r\n\r\n');
        if (end < 0) return;
        current = readHead(pending.toString('latin1', 0, end), count++, socket);
        pending = pending.subarray(end + 4);
        onRequest(current);
      }
      pending = current.left < 0 ? readChunks(current, pending) : readLength(current, pending);
      if (current.left !== 0) return;
      current.finish();
      current = null;
    }
  });
}

function readHead(text: string, earlier: number, socket: Socket): Reading {
  const [line, ...lines] = text.split('\r\n');
  const [method, target] = line.split(' ');
  const fields = lines.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
  });
  const all = (name: string) => fields.filter(([field]) => field === name).map(([, value]) => value);
  const header = (name: string) => all(name)[0];
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const request: Reading = {
    method,
    target,
    fields,
    header,
    all,
    body: Buffer.alloc(0),
    whole: promise,
    earlier,
    socket,
    left: header('transfer-encoding') === 'chunked' ? -1 : Number(header('content-length') ?? 0),
    chunkLeft: 0,
    finish: () => resolve(request.body),
  };
  return request;
}

/** Gives back what it did not need. */
function readLength(request: Reading, pending: Buffer): Buffer {
  const taken = pending.subarray(0, request.left);
  if (taken.length > 0) request.body = Buffer.concat([request.body, taken]);
  request.left -= taken.length;
  return pending.subarray(taken.length);
}

/** Takes what has come of each chunk: the end of one may come with the next. */
function readChunks(request: Reading, pending: Buffer): Buffer {
  for (;;) {
    if (request.chunkLeft > 0) {
      const taken = pending.subarray(0, request.chunkLeft);
      if (taken.length > 0) request.body = Buffer.concat([request.body, taken]);
      request.chunkLeft -= taken.length;
      pending = pending.subarray(taken.length);
      if (request.chunkLeft > 0) return pending;
    }
    const line = /^(?:\r\n)?([0-9a-f]+)\r\n/i.exec(pending.toString('latin1', 0, 20));
    if (line === null) return pending;
    request.chunkLeft = Number.parseInt(line[1], 16);
    if (request.chunkLeft === 0) {
      const end = line[0].length + 2;
      if (pending.length < end) return pending;
      request.left = 0;
      return pending.subarray(end);
    }
    pending = pending.subarray(line[0].length);
  }
}
