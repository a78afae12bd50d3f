/** WebSockets for tests: a service behind the gateway, a client in front of it, and frames byte by byte. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';

export interface SocketService {
  readonly url: string;
  /** Handshakes so far. */
  readonly handshakes: IncomingMessage[];
  readonly server: Server;
  close(): Promise<void>;
}

/** A service that takes every handshake, unless `refuse` ends it. */
export async function startSocketService(
  onSocket: (socket: WebSocket, request: IncomingMessage) => void,
  options: {
    refuse?: (request: IncomingMessage, socket: Socket) => boolean;
    protocol?: (offered: Set<string>) => string | false;
  } = {},
): Promise<SocketService> {
  const handshakes: IncomingMessage[] = [];
  const server = createServer((_request, response) => response.end('plain'));
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 64 * 1024 * 1024,
    ...(options.protocol && { handleProtocols: options.protocol }),
  });
  sockets.on('headers', (headers) => headers.push('X-Service: yes', 'Set-Cookie: a=1', 'Set-Cookie: b=2'));
  server.on('upgrade', (request, socket, head) => {
    handshakes.push(request);
    socket.on('error', () => {});
    if (options.refuse?.(request, socket as Socket)) return;
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on('error', () => {});
      onSocket(opened, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    handshakes,
    server,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends back what it gets, as it was. */
export function echo(socket: WebSocket): void {
  socket.on('message', (message, binary) => socket.send(message, { binary }));
}

export interface Ended {
  code: number;
  reason: string;
}

/** A client that collects what it gets. */
export class SocketClient {
  readonly socket: WebSocket;
  readonly messages: (string | Buffer)[] = [];
  readonly opened: Promise<IncomingMessage>;
  readonly ended: Promise<Ended>;
  /** The answer that refused the handshake. */
  readonly refused: Promise<{ status: number; headers: IncomingMessage['headers']; body: string }>;
  #waiting: (() => void)[] = [];

  constructor(url: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, {
      perMessageDeflate: false,
      ...options,
    });
    const { socket } = this;
    socket.on('error', () => {});
    this.opened = new Promise((resolve, reject) => {
      let answer: IncomingMessage;
      socket.once('upgrade', (response) => {
        answer = response;
      });
      socket.once('open', () => resolve(answer));
      socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.ended = new Promise((resolve) =>
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.refused = new Promise((resolve) => {
      socket.once('unexpected-response', async (_request, response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        socket.terminate();
      });
    });
    socket.on('message', (message: Buffer, binary) => {
      this.messages.push(binary ? message : message.toString());
      for (const look of this.#waiting.splice(0)) look();
    });
  }

  /** The next message, in order. */
  async next(): Promise<string | Buffer> {
    while (this.messages.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.messages.shift() as string | Buffer;
  }
}

/** Ended with the test. */
export function openSocket(url: string, protocols?: string[], options?: ClientOptions): SocketClient {
  const client = new SocketClient(url, protocols, options);
  onTestFinished(() => client.socket.terminate());
  return client;
}

export interface FrameOptions {
  fin?: boolean;
  /** Reserved bits, 0 to 7. */
  reserved?: number;
  masked?: boolean;
  /** What the header says, instead of the real length. */
  length?: bigint;
}

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** One frame of a client, byte by byte. */
export function frame(opcode: number, payload: Buffer | string = '', options: FrameOptions = {}): Buffer {
  const { fin = true, reserved = 0, masked = true, length } = options;
  const data = Buffer.from(payload);
  const said = length ?? BigInt(data.length);
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const mask = masked ? 0x80 : 0;
  const size = Buffer.alloc(8);
  if (said < 126n) head.push(mask | Number(said));
  else if (said < 65_536n) {
    size.writeUInt16BE(Number(said));
    head.push(mask | 126, ...size.subarray(0, 2));
  } else {
    size.writeBigUInt64BE(said);
    head.push(mask | 127, ...size);
  }
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  const key = Buffer.from([1, 2, 3, 4]);
  for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) ^ (key[i % 4] as number);
  return Buffer.concat([Buffer.from(head), key, data]);
}

export interface Frame {
  opcode: number;
  fin: boolean;
  payload: Buffer;
}

/** One end of a WebSocket on a bare socket, behind a handshake that was taken. */
export class FrameClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  ended = false;
  head = '';
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
    });
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#read();
    });
  }

  send(...frames: Buffer[]): this {
    this.socket.write(Buffer.concat(frames));
    return this;
  }

  /** Codes of the close frames that came. */
  get closeCodes(): number[] {
    return this.frames
      .filter(({ opcode }) => opcode === CLOSE)
      .map(({ payload }) => (payload.length < 2 ? 1005 : payload.readUInt16BE(0)));
  }

  #read(): void {
    if (this.head === '') {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#bytes.subarray(0, end).toString('latin1');
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    for (;;) {
      if (this.#bytes.length < 2) return;
      const [first, second] = this.#bytes as unknown as [number, number];
      let length = second & 0x7f;
      let at = 2;
      if (length === 126) {
        if (this.#bytes.length < 4) return;
        length = this.#bytes.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (this.#bytes.length < 10) return;
        length = Number(this.#bytes.readBigUInt64BE(2));
        at = 10;
      }
      const masked = (second & 0x80) !== 0;
      if (masked) at += 4;
      if (this.#bytes.length < at + length) return;
      const payload = Buffer.from(this.#bytes.subarray(at, at + length));
      const key = this.#bytes.subarray(at - 4, at);
      if (masked)
        for (let i = 0; i < length; i++) payload[i] = (payload[i] as number) ^ (key[i % 4] as number);
      this.frames.push({ opcode: first & 0x0f, fin: (first & 0x80) !== 0, payload });
      this.#bytes = this.#bytes.subarray(at + length);
    }
  }
}

export const HANDSHAKE = {
  Host: 'a',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** Sends a handshake of these fields. `undefined` leaves one of the usual ones out. */
export function dial(
  url: string,
  path: string,
  fields: Readonly<Record<string, string | undefined>> = {},
  requestLine = `GET ${path} HTTP/1.1`,
): Promise<FrameClient> {
  const { hostname, port } = new URL(url);
  const lines = Object.entries({ ...HANDSHAKE, ...fields }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      const client = new FrameClient(socket);
      socket.write(`${requestLine}\r\n${lines.join('\r\n')}\r\n\r\n`);
      const look = setInterval(() => {
        if (client.head === '' && !client.ended) return;
        clearInterval(look);
        resolve(client);
      }, 2);
    });
    socket.once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}
