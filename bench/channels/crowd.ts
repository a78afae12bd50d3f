/** Many subscribers in one process, as cheap as Node has them: bare sockets that share one buffer. */
import { connect, type Socket } from 'node:net';

const HANDSHAKE = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const UNDER_WAY = 200;
const OFFSET = Buffer.from('"offset":');
/** Loopback addresses to come from: each has ports of its own. */
const SOURCES = 4;

export interface CrowdEvents {
  /** A message has reached a member. */
  onMessage(member: number, offset: number): void;
}

export class Crowd {
  readonly #sockets: Socket[] = [];
  /** Handshakes that were refused, and sockets that were lost. */
  failed = 0;
  #leaving = false;

  /** Resolves when all are subscribed. */
  async gather(
    url: string,
    path: string,
    channel: string,
    count: number,
    events: CrowdEvents,
  ): Promise<void> {
    let next = 0;
    const dialler = async () => {
      while (next < count) {
        const member = next++;
        await this.#join(new URL(url), path, channel, member, events);
      }
    };
    await Promise.all(Array.from({ length: UNDER_WAY }, dialler));
  }

  #join(
    { hostname, port }: URL,
    path: string,
    channel: string,
    member: number,
    events: CrowdEvents,
  ): Promise<void> {
    return new Promise((resolve) => {
      let state: 'dialling' | 'subscribing' | 'subscribed' = 'dialling';
      let head = '';
      const fail = () => {
        if (!this.#leaving) this.failed++;
        resolve();
      };
      const socket = connect({
        host: hostname,
        port: Number(port),
        localAddress: `127.0.0.${1 + (member % SOURCES)}`,
        onread: {
          // One buffer for all: it is read before the next socket is.
          buffer: shared,
          callback: (size, buffer) => {
            if (state === 'subscribed') {
              eachOffset(buffer as Buffer, size, (offset) => events.onMessage(member, offset));
              return true;
            }
            head += (buffer as Buffer).toString('latin1', 0, size);
            if (state === 'dialling' && head.includes('\r\n\r\n')) {
              if (!head.startsWith('HTTP/1.1 101')) fail();
              state = 'subscribing';
              socket.write(masked(JSON.stringify({ op: 'subscribe', channel })));
            } else if (head.includes('"subscribed"')) {
              state = 'subscribed';
              resolve();
            }
            return true;
          },
        },
      });
      socket.on('error', () => {});
      socket.once('connect', () => socket.write(HANDSHAKE(path)));
      socket.once('close', fail);
      this.#sockets.push(socket);
    });
  }

  leave(): void {
    this.#leaving = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

const shared = Buffer.alloc(64 * 1024);

/** Messages are shorter than a read, and not cut. */
function eachOffset(buffer: Buffer, size: number, then: (offset: number) => void): void {
  const end = buffer.subarray(0, size);
  for (let at = end.indexOf(OFFSET); at >= 0; at = end.indexOf(OFFSET, at)) {
    at += OFFSET.length;
    let offset = 0;
    for (let digit = end[at]; digit >= 48 && digit <= 57; digit = end[++at])
      offset = 10 * offset + digit - 48;
    then(offset);
  }
}

/** A text frame of a client; the mask is zero. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
