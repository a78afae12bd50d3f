/**
 * Step 6. The client's side of an exchange: writes the answer through uWebSockets.js, as fast as the client reads.
 */
import type { Client, ClientSocket, Exchange, SocketEvents } from '../exchange.js';
import type { Agreement } from '../websocket/compression.js';
import { withoutNativeWarnings } from './addon/native-warnings.js';
import type { HttpResponse, us_socket_context_t } from './addon/uws.js';
import type { SocketData, SocketLink } from './sockets.js';

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
for (const [status, phrase] of Object.entries(STATUS_CODES))
  STATUS_LINES[Number(status)] = `${status} ${phrase}`;

/** More than any message has; a small integer, which takes no memory of its own in each socket. */
const NEVER = 2 ** 31 - 1;
const NO_COMPRESSION: Agreement = Object.freeze({ offer: '', fromBytes: NEVER });

/** How long a client has to read the end of an answer that ends the connection, in milliseconds. */
const LAST_READ_MS = 500;

/** The three ways in which the listener lets an answer's end be known. */
type Framing = 'length' | 'chunked' | 'chunked and close';

export class HttpClient implements Client {
  begun = false;
  readonly #res: HttpResponse;
  readonly #x: Exchange;
  readonly #events: ClientEvents;
  /** Of a handshake that the listener can take. */
  readonly #context: us_socket_context_t | null;
  /** Announced length of the body; -1: unknown. */
  #length = -1;
  #framing: Framing = 'length';
  /** Nothing more can be written: all is written, or the client is gone. */
  #over = false;
  /** The connection is gone: the listener's response object must not be touched. */
  #isGone = false;
  /** What the listener has not taken yet of the last chunk, and the offset in the body at which it starts. */
  #rest: Buffer | null = null;
  #restAt = 0;
  /** The listener holds bytes that the client has not taken. */
  #backedUp = false;
  #watching = false;
  /** The service has sent all of it. */
  #ending = false;

  constructor(res: HttpResponse, x: Exchange, events: ClientEvents, context: us_socket_context_t | null) {
    this.#res = res;
    this.#x = x;
    this.#events = events;
    this.#context = context;
    res.onAborted(() => this.#gone());
  }

  answer(body: string | Buffer): void {
    this.#length = Buffer.byteLength(body);
    if (!isBodyless(this.#x)) this.#x.bytesOut = this.#length;
    // Within its parser the listener forgets that it was told to close, and executes what follows on the connection.
    // Until the answer is out, it closes the connection if anything follows.
    if (this.#x.closing) setImmediate(() => this.#sendWhole(body));
    else this.#sendWhole(body);
  }

  get upgradable(): boolean {
    return this.#context !== null && !this.begun;
  }

  accept(protocol: string, events: SocketEvents, compression: Agreement | null = null): ClientSocket | null {
    if (this.#over || this.#context === null) return null;
    const { offer, fromBytes: compressFrom } = compression ?? NO_COMPRESSION;
    const link: SocketLink = { events, compressFrom, socket: null };
    const context = this.#context;
    // From here on the connection is the socket's: it has its own way to say that the client has gone.
    this.#over = true;
    this.#isGone = true;
    this.#res.cork(() => this.#writeHead());
    // Not within `cork`: when that ends, the listener takes a socket that has kept its address for one that still speaks
    // HTTP, reads its state from what is something else by now, and often enough closes it.
    const key = this.#x.header('sec-websocket-key') ?? '';
    withoutNativeWarnings(() => this.#res.upgrade<SocketData>({ link }, key, protocol, offer, context));
    return link.socket;
  }

  begin(length: number): void {
    // The head leaves with the first byte of the body: in one write, and the listener has no way to send it alone.
    this.#length = length;
  }

  write(chunk: Buffer): boolean {
    if (this.#over || chunk.length === 0) return true;
    const x = this.#x;
    x.bytesOut += chunk.length;
    if (!this.begun && chunk.length === this.#length) {
      this.#res.cork(() => {
        this.#writeHead();
        this.#res.end(chunk, x.closing);
      });
      this.#over = true;
      return true;
    }
    let taken = true;
    this.#res.cork(() => {
      if (!this.begun) this.#writeStreamHead();
      taken = this.#send(chunk);
    });
    return taken;
  }

  end(): void {
    this.#ending = true;
    if (this.#over) return this.#finish(); // it went out with the head, or the last byte has gone
    if (!this.begun) return this.#sendWhole('');
    if (this.#framing === 'chunked') {
      this.#res.cork(() => this.#res.end());
      this.#finish();
    } else if (this.#framing === 'chunked and close' && !this.#backedUp) {
      this.#endAndClose();
    }
    // Else what the listener still holds goes first: see #drain.
  }

  cut(): void {
    if (this.#over) return;
    this.#over = true;
    this.#rest = null;
    this.#res.close();
  }

  /** An answer in one piece. */
  #sendWhole(body: string | Buffer): void {
    if (this.#over) return;
    const x = this.#x;
    let cutAfter = false;
    this.#res.cork(() => {
      if (!isBodyless(x)) {
        this.#writeHead();
        this.#res.end(body, x.closing);
      } else if (x.method === 'HEAD' && x.status !== 204 && this.#length >= 0) {
        this.#writeHead();
        this.#res.endWithoutBody(this.#length, x.closing);
      } else if (!x.closing) {
        this.#writeHead();
        this.#res.endWithoutBody();
      } else {
        // The listener cannot end a connection after an answer without any length: we end the head, and cut.
        this.#writeHead(`\r\ndate: ${new Date().toUTCString()}\r\nconnection: close\r\n`);
        cutAfter = true;
      }
    });
    this.#over = true;
    if (cutAfter) this.#res.close();
    this.#finish();
  }

  #writeStreamHead(): void {
    const { closing, answerHeaders } = this.#x;
    if (this.#length > 0 && !closing) {
      this.#framing = 'length';
    } else if (closing) {
      // A known length would keep the connection alive, whatever follows on it.
      this.#framing = 'chunked and close';
      answerHeaders.push('connection', 'close');
    } else {
      this.#framing = 'chunked';
    }
    this.#writeHead();
  }

  /** False: the listener has taken what it takes; more only after #drain. */
  #send(chunk: Buffer): boolean {
    if (this.#framing !== 'length') return this.#res.write(chunk) || this.#backUp();
    const at = this.#res.getWriteOffset();
    const [taken, complete] = this.#res.tryEnd(chunk, this.#length);
    if (complete) this.#over = true;
    if (complete || taken) return true;
    this.#rest = chunk;
    this.#restAt = at;
    return this.#backUp();
  }

  #backUp(): false {
    this.#backedUp = true;
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
      if (complete) this.#over = true;
    }
    this.#backedUp = false;
    if (!this.#ending) this.#x.attempt?.resume();
    else if (this.#framing === 'chunked and close') this.#endAndClose();
    else if (this.#over) this.#finish();
    return true;
  }

  /**
   * The listener's own end() would write `Connection: close` into the body here. So the last chunk is written by hand,
   * as a field: it takes the form of a trailer (RFC 9112 §7.1.2).
   */
  #endAndClose(): void {
    this.#res.cork(() => this.#res.writeHeader('\r\n0\r\nx-request-id', `${this.#x.id}\r\n`));
    this.#over = true;
    setTimeout(() => {
      if (!this.#isGone) this.#res.close();
    }, LAST_READ_MS).unref();
    this.#finish();
  }

  /** `last` are lines of our own, with which the head is complete. */
  #writeHead(last = ''): void {
    this.begun = true;
    const x = this.#x;
    const fields = x.answerHeaders;
    this.#res.writeStatus(STATUS_LINES[x.status] ?? `${x.status} Unknown`);
    // One call for all fields: a call into the addon costs about 0.15 us, and the listener writes what it is given.
    // Field values hold no line breaks: those of services have passed llhttp, our own are checked where they are made.
    let block = fields[1];
    for (let i = 2; i < fields.length; i += 2) block += `\r\n${fields[i]}: ${fields[i + 1]}`;
    block += last;
    this.#res.writeHeader(
      fields[0],
      Buffer.byteLength(block) === block.length ? block : Buffer.from(block, 'latin1'),
    );
  }

  #finish(): void {
    this.#events.onSent(this.#x);
  }

  #gone(): void {
    this.#isGone = true;
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
