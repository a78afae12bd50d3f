/**
 * One connection to an endpoint: an undici `Client` that carries one request at a time. We own the choice of
 * connection ourselves instead of using undici's `Pool`: its bound counts a client as lost for each dispatch that fails
 * validation, until none is left.
 */
import type { Socket } from 'node:net';
import type { Endpoint } from './endpoint.js';
import {
  type buildConnector,
  Client,
  type ClientOptions,
  type Dispatcher,
  type DispatchOptions,
} from './undici.js';

type Connector = ReturnType<typeof buildConnector>;

/** The longest head of an answer, interim or final. */
export const MAX_HEAD_BYTES = 64 * 1024;

export class Connection {
  readonly #client: Client;
  readonly #endpoint: Endpoint;
  /** Carries a request now. */
  busy = true;
  /** Answers it has carried: a connection that carried none before cannot have been closed for idleness. */
  uses = 0;
  /** Its request is out and nothing of a final answer has come. */
  awaitsHead = false;
  /** The socket failed. undici takes a reset for the regular end of an answer without a length. */
  broken = false;
  destroyed = false;

  constructor(endpoint: Endpoint, origin: string, options: ClientOptions, connect: Connector) {
    this.#endpoint = endpoint;
    this.#client = new Client(origin, { ...options, connect: this.#watched(connect) });
    this.#client.on('disconnect', (_origin, _targets, error) => {
      this.uses = 0;
      if (isStray(error, this.busy)) this.#endpoint.onStray?.(error);
      // The service, or the keep-alive timer, closed it while nobody used it.
      if (!this.busy) this.#endpoint.drop(this);
    });
  }

  dispatch(options: DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(options, handler);
  }

  /** The socket becomes somebody else's, who may keep it for days: nothing of the connection stays on it. */
  handOver(socket: Socket): void {
    // The connector's and ours: whoever takes it brings one of his own.
    socket.removeAllListeners('error');
    // Not deleted: that would make a slower and larger object of it.
    const { read, ref, unref } = Object.getPrototypeOf(socket) as Socket;
    Object.assign(socket, { read, ref, unref });
  }

  /** Cuts it, and whatever it carries. Reports back to nobody. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#client.destroy(null, ignore);
  }

  #watched(connect: Connector): Connector {
    return (options, callback) => {
      // The name to verify is the endpoint's. undici would take that of the Host header, which can be the client's.
      connect({ ...options, servername: '' }, (...[error, socket]) => {
        if (error !== null) return callback(error, null);
        this.broken = false;
        socket.once('error', () => {
          this.broken = true;
        });
        // undici does it between any two requests; the gateway leaves by itself, and two calls are 0.2 us.
        socket.ref = socket.unref = () => socket;
        this.#skipInterim(socket);
        callback(null, socket);
      });
    };
  }

  /**
   * Interim answers are to be read over (RFC 9110 §15.2), and no client of ours could get them. undici takes a
   * `100 Continue` that nobody has asked for as an attack, wherever it stands: so it sees none but 101. One that has
   * begun is kept until it is whole.
   */
  #skipInterim(socket: Socket): void {
    const read = socket.read.bind(socket);
    let begun: Buffer | null = null;
    socket.read = (size?: number) => {
      let chunk: Buffer | null = read(size);
      while (chunk !== null && this.awaitsHead) {
        if (begun !== null) chunk = Buffer.concat([begun, chunk]);
        begun = null;
        const end = mayBeInterim(chunk) ? chunk.indexOf('\r\n\r\n') : NOT_INTERIM;
        // Nobody sends an interim head as long as that: undici says so.
        if (end === NOT_INTERIM || (end < 0 && chunk.length > MAX_HEAD_BYTES)) {
          this.awaitsHead = false;
        } else if (end >= 0 && end + 4 < chunk.length) {
          chunk = chunk.subarray(end + 4);
        } else {
          if (end < 0) begun = chunk;
          chunk = read(size);
        }
      }
      return chunk;
    };
  }
}

const NOT_INTERIM = -2;
const STATUS_AT = 'HTTP/1.1 '.length;
const INTERIM = 'HTTP/1.1 1';
/** 101 is a final answer: what follows it is another protocol. */
const INTERIM_LINE = /^HTTP\/1\.\d 1(?!01)\d\d(?:[ \r]|$)/;

/** The head of an interim answer, or the beginning of what may become one. */
function mayBeInterim(chunk: Buffer): boolean {
  if (chunk.length < INTERIM.length + 2)
    return INTERIM.startsWith(chunk.toString('latin1', 0, INTERIM.length));
  return chunk[STATUS_AT] === 0x31 && INTERIM_LINE.test(chunk.toString('latin1', 0, INTERIM.length + 3));
}

/** What undici says of bytes that follow an answer, or come between two: nobody has asked for them. */
function isStray(error: Error, busy: boolean): boolean {
  return error.message === 'bad response' || (!busy && error.name === 'HTTPParserError');
}

function ignore(): void {}
