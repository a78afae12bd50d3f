/**
 * The request's body. The listener hands out chunks whether anybody wants them or not, so they are taken from the first
 * moment; what nobody has read yet is bounded by pausing the client.
 */
import { Readable } from 'node:stream';
import type { Exchange, RequestBody } from '../exchange.js';
import { bodyPassed } from '../memory.js';
import type { HttpResponse } from './addon/uws.js';

/** Held before the client is paused. One read of the listener can add up to 512 KiB to it. */
const HIGH_WATER_BYTES = 64 * 1024;

/** A client whose body comes in chunks of this size needs no help with the listener's timer. */
const FAST_CHUNK_BYTES = 64 * 1024;

/** Bodies up to this length are sent as one piece: they can be sent again, and cost no stream. */
export const COLLECT_BYTES = 64 * 1024;

export class IncomingBody implements RequestBody {
  readonly length: number;
  received = 0;
  complete = false;
  limit = Number.POSITIVE_INFINITY;
  whole: Buffer | null = null;

  readonly #res: HttpResponse;
  readonly #x: Exchange;
  #chunks: Buffer[] = [];
  #held = 0;
  #paused = false;
  #discarding = false;
  #collected: (() => void) | null = null;
  #stream: BodyStream | null = null;
  /** Called once, when more than `limit` bytes have come. */
  onTooLarge: (() => void) | null = null;

  constructor(res: HttpResponse, x: Exchange, length: number) {
    this.#res = res;
    this.#x = x;
    this.length = length;
    res.onData((chunk, isLast) => this.#take(chunk, isLast));
  }

  get starving(): boolean {
    return !this.complete && this.#held === 0 && (this.#stream === null || this.#stream.readableLength === 0);
  }

  collect(then: () => void): void {
    if (this.whole !== null) return then();
    if (this.complete) return this.#collect(then);
    this.#collected = then;
    this.#unpause();
  }

  stream(): Readable {
    if (this.#stream !== null) return this.#stream;
    const stream = new BodyStream(this);
    this.#stream = stream;
    for (const chunk of this.#chunks) stream.push(chunk);
    this.#chunks = [];
    this.#held = 0;
    if (this.complete) stream.push(null);
    else this.#unpause();
    return stream;
  }

  discard(): void {
    this.#discarding = true;
    this.#chunks = [];
    this.#collected = null;
    this.#stream = null;
    this.#unpause();
  }

  /** The stream's taker wants more. */
  readMore(): void {
    this.#unpause();
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    this.received += chunk.byteLength;
    this.#x.bytesIn = this.received;
    if (isLast) this.complete = true;
    bodyPassed(chunk.byteLength);
    if (this.#discarding) return;
    if (this.received > this.limit) {
      this.discard();
      this.onTooLarge?.();
      return;
    }
    // The listener takes its buffer back when this returns.
    if (chunk.byteLength > 0) this.#hold(Buffer.from(Buffer.from(chunk)));
    if (!isLast) {
      if (chunk.byteLength < FAST_CHUNK_BYTES) this.#restartTimer();
      return;
    }
    this.#stream?.push(null);
    if (this.#collected !== null) this.#collect(this.#collected);
  }

  #hold(chunk: Buffer): void {
    if (this.#stream !== null) {
      if (!this.#stream.push(chunk)) this.#pause();
      return;
    }
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held > HIGH_WATER_BYTES && this.#collected === null) this.#pause();
  }

  #collect(then: () => void): void {
    this.#collected = null;
    this.whole = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#held = 0;
    then();
  }

  /**
   * The listener cuts a client that needs more than 10 s for 160 KB. Resuming restarts its timer, which makes it one of
   * inactivity.
   */
  #restartTimer(): void {
    if (this.#paused || this.#x.done) return;
    this.#res.pause();
    this.#res.resume();
  }

  #pause(): void {
    if (this.#paused || this.complete || this.#x.done) return;
    this.#paused = true;
    this.#res.pause();
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // After the end of the exchange the listener's response object is gone.
    if (!this.#x.done) this.#res.resume();
  }
}

/** What the connection to the service reads from. */
class BodyStream extends Readable {
  readonly #body: IncomingBody;

  constructor(body: IncomingBody) {
    super({ highWaterMark: HIGH_WATER_BYTES });
    this.#body = body;
  }

  override _read(): void {
    this.#body.readMore();
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#body.discard();
    // Passed on, the error would be thrown for want of a listener. The attempt hears of it from its connection.
    done();
  }
}
