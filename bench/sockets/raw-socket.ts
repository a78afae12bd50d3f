/** A WebSocket of the load, in as few words as will do: prepared frames go out, answers of a known length are counted. */
import { connect, type Socket } from 'node:net';

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const TEXT = 1;
const PONG = 10;
const PING = 9;

/** A whole frame of a client. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  const masked = payload.map((byte, i) => byte ^ (MASK[i % 4] as number));
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head]), MASK, masked]);
}

export const MESSAGE_BYTES = 128;
/** What one message is on its way back: no mask, and a length of two bytes. */
export const ANSWER_BYTES = 4 + MESSAGE_BYTES;
export const MESSAGE = clientFrame(TEXT, Buffer.alloc(MESSAGE_BYTES, 'm'));
const PONG_FRAME = clientFrame(PONG, Buffer.alloc(0));

/** The rest of what a browser sends: all of it passes through the gateway, and part of it stays there. */
const BROWSER = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Pragma: no-cache',
  'Cache-Control: no-cache',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Sec-WebSocket-Version: 13',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Cookie: sid=4f1c2a9be07d4f6c8d3e5a7b9c1d2e3f; theme=dark; consent=granted',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
].join('\r\n');

export interface Opening {
  readonly url: URL;
  readonly path: string;
  /** One of this machine's. */
  readonly from?: string;
}

/** A socket whose handshake has been answered with 101; rejects with what was answered instead. */
export function openRaw({ url, path, from }: Opening): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      ...(from && { localAddress: from }),
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
    socket.once('connect', () =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nOrigin: http://${url.host}\r\n${BROWSER}\r\n\r\n`,
      ),
    );
    let head = '';
    socket.on('data', function read(chunk: Buffer) {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      if (!head.startsWith('HTTP/1.1 101 '))
        return reject(new Error(`${head.split('\r\n', 1)[0]} ${/"code":"(\w+)"/.exec(head)?.[1] ?? ''}`));
      resolve(socket);
    });
  });
}

/** Answers pings of a socket that hears nothing else. */
export function answerPings(socket: Socket): void {
  socket.on('data', (chunk: Buffer) => {
    if (((chunk[0] as number) & 15) === PING) socket.write(PONG_FRAME);
  });
}
