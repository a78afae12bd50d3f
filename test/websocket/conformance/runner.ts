/** Plays cases against whom it is told, from either end, and says what came of them. */
import { createHash } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { BINARY, dial, FrameClient, frame, openSocket, PONG, TEXT } from '../../harness/sockets.ts';
import { type Case, close, type Frames } from './case.ts';

/** What can be said of a case; it passes when that is nothing. */
export type Faults = string[];

const WITHIN_MS = 15_000;
const masked: Frames = frame;
const unmasked: Frames = (opcode, payload, options) => frame(opcode, payload, { masked: false, ...options });

/** Codes with which an end may say that the other one has failed; 1005: it says nothing. */
const FAILURES = [1002, 1005, 1007, 1009];

function until(what: string, condition: () => boolean): Promise<unknown> {
  return eventually(condition, { what, withinMs: WITHIN_MS, everyMs: 1 });
}

async function write(end: FrameClient, pieces: readonly Buffer[]): Promise<void> {
  end.socket.setNoDelay(true);
  for (const piece of pieces) {
    if (end.ended) return;
    end.socket.write(piece);
    // So that the other end may read it before the next comes.
    if (pieces.length < 300) await nextTurn();
  }
}

function same(expected: readonly (string | Buffer)[], found: readonly (string | Buffer)[]): boolean {
  return (
    expected.length === found.length &&
    expected.every(
      (one, i) => typeof one === typeof found[i] && Buffer.from(one).equals(Buffer.from(found[i] as string)),
    )
  );
}

function judge(
  { messages, pongs, end, informational }: Case,
  got: { messages: readonly (string | Buffer)[]; pongs: readonly Buffer[]; codes: readonly number[] },
): Faults {
  const faults: Faults = [];
  const lossy = end === 'failed' || informational;
  const expected = lossy ? messages.slice(0, got.messages.length) : messages;
  if (!same(expected, got.messages)) faults.push(`messages: ${got.messages.length} of ${messages.length}`);
  if (!same(end === 'failed' ? pongs.slice(0, got.pongs.length) : pongs, got.pongs))
    faults.push(`pongs: ${got.pongs.length} of ${pongs.length}`);
  if (end === 'failed') {
    if (got.codes.some((code) => !FAILURES.includes(code))) faults.push(`closed with ${got.codes}`);
  } else if (!same([String(end === 'open' ? 1000 : end)], got.codes.map(String)))
    faults.push(`closed with ${got.codes.join() || 'nothing'}`);
  return faults;
}

/** The client speaks, to a service that sends back what it gets. */
export async function playClient(url: string, path: string, one: Case): Promise<Faults> {
  const client = await dial(url, path);
  const of = (opcode: number) => client.frames.filter((found) => found.opcode === opcode);
  const messages = () =>
    client.frames
      .filter(({ opcode }) => opcode === TEXT || opcode === BINARY)
      .map(({ opcode, payload }) => (opcode === TEXT ? payload.toString() : payload));
  const isOver = () => client.ended || client.closeCodes.length > 0;
  await write(client, one.send(masked));
  if (one.end === 'open') {
    const { length } = one.messages;
    await until(
      `${one.id}: answers`,
      () => isOver() || (messages().length >= length && of(PONG).length >= one.pongs.length),
    );
    client.send(close(masked, 1000));
  }
  await until(`${one.id}: the end`, isOver);
  // Who has failed may wait for us to go.
  if (one.end === 'failed') client.socket.end();
  await until(`${one.id}: the end of the connection`, () => client.ended);
  return judge(one, {
    messages: messages(),
    pongs: of(PONG).map(({ payload }) => payload),
    codes: client.closeCodes,
  });
}

/** A service that takes every handshake, and then does nothing by itself. */
export class RawService {
  readonly #server = createServer((socket) => {
    const end = new FrameClient(socket);
    const take = () => {
      if (end.head === '') return;
      socket.off('data', take);
      const key = /sec-websocket-key: (\S+)/i.exec(end.head)?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      this.#ends.set(/^GET (\S+)/.exec(end.head)?.[1] ?? '', end);
    };
    socket.on('data', take);
  });
  /** By path. */
  readonly #ends = new Map<string, FrameClient>();
  #count = 0;

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const { socket } of this.#ends.values()) socket.destroy();
    this.#server.close();
  }

  /** A path that nobody else has. */
  path(): string {
    return `/raw/${this.#count++}`;
  }

  async end(path: string): Promise<FrameClient> {
    await until('a handshake', () => this.#ends.has(path));
    return this.#ends.get(path) as FrameClient;
  }
}

/** The service speaks; `url` is its own, or that of a gateway before it. */
export async function playService(url: string, service: RawService, one: Case): Promise<Faults> {
  const path = service.path();
  const client = openSocket(`${url}${path}`);
  let code = 0;
  void client.ended.then((ended) => {
    code = ended.code;
  });
  await client.opened;
  const end = await service.end(path);
  onTestFinished(() => void end.socket.destroy());
  const pongs = () => end.frames.filter(({ opcode }) => opcode === PONG).map(({ payload }) => payload);
  await write(end, one.send(unmasked));
  if (one.end === 'open') {
    const { length } = one.messages;
    await until(
      `${one.id}: what was sent`,
      () => code > 0 || (client.messages.length >= length && pongs().length >= one.pongs.length),
    );
    end.send(close(unmasked, 1000));
  }
  await until(`${one.id}: the end`, () => end.ended || end.closeCodes.length > 0);
  end.socket.end();
  await until(`${one.id}: the end at the client`, () => code > 0);
  const faults = judge(one, { messages: client.messages, pongs: pongs(), codes: end.closeCodes });
  const expected = one.end === 'open' ? 1000 : one.end;
  // What a client is told of a service's failure is not the same as what the service itself is told.
  if (expected === 'failed' ? code === 1000 || code === 1005 : code !== expected)
    faults.push(`the client was told ${code}`);
  return faults;
}
