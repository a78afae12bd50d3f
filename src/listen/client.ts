/**
 * Step 6. The client's side of an exchange: writes the answer through uWebSockets.js, as fast as the client reads.
 */
import type { Client, Exchange } from '../exchange.js';
import type { HttpResponse } from './uws.js';

/** What the client's side tells its conductor (gateway.ts). */
export interface ClientEvents {
  /** The client left, or was cut off by the listener, before the answer was complete. */
  onGone(x: Exchange): void;
  /** The whole answer has been handed to the listener. */
  onSent(x: Exchange): void;
}

// An `import` of node:http evaluates its lazy exports and with them a second undici: 13 MB in every process.
const { STATUS_CODES } = process.getBuiltinModule('node:http');
const STATUS_LINES: string[] = [];
for (const [status, phrase] of Object.entries(STATUS_CODES)) STATUS_LINES[Number(status)] = `${status} ${phrase}`;

export class HttpClient implements Client {
  begun = false;
  readonly #res: HttpResponse;
  readonly #x: Exchange;
  readonly #events: ClientEvents;
  /** Announced length of the body; -1: chunked. */
  #length = -1;
  /** Nothing more can be written: all is written, or the client is gone. */
  #over = false;
  /** What the listener has not taken yet of the last chunk, and the offset in the body at which it starts. */
  #rest: Buffer | null = null;
  #restAt = 0;
  #watching = false;
  /** The connection is closed by us once the head is out. */
  #cutting = false;
  /** The service has sent all of it. */
  #ending = false;

  constructor(res: HttpResponse, x: Exchange, events: ClientEvents) {
    this.#res = res;
    this.#x = x;
    this.#events = events;
    res.onAborted(() => this.#gone());
  }

  answer(body: string | Buffer): void {
    if (this.#over) return;
    const x = this.#x;
    const bodyless = isBodyless(x);
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    this.#length = bytes;
    if (!bodyless) x.bytesOut = bytes;
    this.#res.cork(() => {
      if (bodyless) return this.#sendBodyless();
      this.#writeHead();
      this.#res.end(body, x.closing);
    });
    this.#finish();
  }

  begin(length: number): void {
    // The head leaves with the first byte of the body: in one write, and the listener has no way to send it alone.
    this.#length = length;
  }

  write(chunk: Buffer): boolean {
    if (this.#over || chunk.length === 0) return true;
    const x = this.#x;
    x.bytesOut += chunk.length;
    if (this.begun) {
      let taken = true;
      this.#res.cork(() => {
        taken = this.#send(chunk);
      });
      return taken;
    }
    if (chunk.length === this.#length) {
      this.#res.cork(() => {
        this.#writeHead();
        this.#res.end(chunk, x.closing);
      });
      this.#over = true;
      return true;
    }
    let taken = true;
    if (x.closing) x.answerHeaders.push('connection', 'close');
    this.#res.cork(() => {
      this.#writeHead();
      taken = this.#send(chunk);
    });
    return taken;
  }

  end(): void {
    this.#ending = true;
    if (this.#over || !this.begun) return this.#endWhole();
    // With a known length the last byte ends the answer; `#rest` may still hold it.
    if (this.#announcesLength()) return;
    this.#res.cork(() => this.#res.end(undefined, this.#x.closing));
    this.#finish();
  }

  cut(): void {
    if (this.#over) return;
    this.#over = true;
    this.#rest = null;
    this.#res.close();
  }

  /** Nothing of the body has come, or all of it went out with the head. */
  #endWhole(): void {
    if (!this.#over) {
      this.#res.cork(() => {
        if (isBodyless(this.#x)) return this.#sendBodyless();
        this.#writeHead();
        this.#res.end('', this.#x.closing);
      });
    }
    this.#finish();
  }

  /** The whole answer, which has no body. */
  #sendBodyless(): void {
    const { closing, method } = this.#x;
    if (method === 'HEAD' && this.#length >= 0) {
      this.#writeHead();
      this.#res.endWithoutBody(this.#length, closing);
    } else if (closing) {
      // The listener cannot end a connection after an answer without any length: the head is ended and cut by hand.
      this.#writeHead(`date: ${new Date().toUTCString()}\r\nconnection: close\r\n`);
      this.#cutting = true;
    } else {
      this.#writeHead();
      this.#res.endWithoutBody();
    }
  }

  #send(chunk: Buffer): boolean {
    if (!this.#announcesLength()) return this.#res.write(chunk) || this.#watch();
    const at = this.#res.getWriteOffset();
    const [taken, complete] = this.#res.tryEnd(chunk, this.#length);
    if (complete) {
      this.#over = true;
      return true;
    }
    if (taken) return true;
    this.#rest = chunk;
    this.#restAt = at;
    return this.#watch();
  }

  /** A connection that ends with this answer cannot be ended by the length: the listener would keep it alive. */
  #announcesLength(): boolean {
    return this.#length > 0 && !this.#x.closing;
  }

  #watch(): false {
    if (!this.#watching) {
      this.#watching = true;
      this.#res.onWritable((offset) => this.#drain(offset));
    }
    return false;
  }

  /** The client has read on. */
  #drain(offset: number): boolean {
    if (this.#over) return true;
    if (this.#rest !== null) {
      const [taken, complete] = this.#res.tryEnd(this.#rest.subarray(offset - this.#restAt), this.#length);
      if (!taken) return false;
      this.#rest = null;
      if (complete) {
        this.#over = true;
        if (this.#ending) this.#finish();
      }
    }
    this.#x.attempt?.resume();
    return true;
  }

  /** `last` are lines of our own; with them the head is complete. */
  #writeHead(last = ''): void {
    this.begun = true;
    const x = this.#x;
    const fields = x.answerHeaders;
    this.#res.writeStatus(STATUS_LINES[x.status] ?? `${x.status} Unknown`);
    // One call for all fields: a call into the addon costs about 0.15 us, and the listener writes what it is given.
    // Field values hold no line breaks: those of services have passed llhttp, our own are checked where they are made.
    let block = fields[1];
    for (let i = 2; i < fields.length; i += 2) block += `\r\n${fields[i]}: ${fields[i + 1]}`;
    if (last !== '') block += `\r\n${last}`;
    this.#res.writeHeader(fields[0], Buffer.byteLength(block) === block.length ? block : Buffer.from(block, 'latin1'));
  }

  #finish(): void {
    this.#over = true;
    if (this.#cutting) this.#res.close();
    this.#events.onSent(this.#x);
  }

  #gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#rest = null;
    this.#events.onGone(this.#x);
  }
}

/** RFC 9110 §6.4.1: such answers have no body, whatever their fields say. */
function isBodyless(x: Exchange): boolean {
  return x.method === 'HEAD' || x.status === 204 || x.status === 304;
}
