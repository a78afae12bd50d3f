/**
 * Reads the frames of a service (RFC 6455 §5) out of what its connection brings. An idle socket holds a few numbers here and no
 * buffer. Judges everything that the protocol forbids a server, and stops at the first fault.
 */
import { isUtf8 } from 'node:buffer';
import { INVALID_TEXT, isSendable, NO_STATUS, PROTOCOL_ERROR, TOO_BIG } from '../close-code.js';
import { Gathering } from './gathering.js';
import { BINARY, CLOSE, CONTINUATION, FIRST_CONTROL, MAX_CONTROL_BYTES, PING, PONG, TEXT } from './opcode.js';

export interface FrameEvents {
  /** There is more behind the first frame of what has come: calls `rest`, which reads it. */
  onBatch(rest: () => void): void;
  /** A whole message; of text it is sure that it is UTF-8. It is only lent. */
  onMessage(message: Buffer, binary: boolean): void;
  onPing(data: Buffer): void;
  onPong(): void;
  /** Nothing follows. */
  onClose(code: number, reason: Buffer): void;
  /** It broke the protocol; `code` says how. Nothing follows. */
  onFault(code: number): void;
}

const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
const LENGTH = 0x7f;
/** What comes instead of a short length, and says how many bytes the real one has. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const EMPTY = Buffer.alloc(0);

export class FrameReader {
  readonly #maxMessage: number;
  readonly #events: FrameEvents;
  /** The beginning of a frame whose rest has not come; null: there is none. */
  #held: Gathering | null = null;
  /** So many bytes of it must be there before it is worth looking again. */
  #needed = 0;
  /** Type of the message whose fragments are coming; CONTINUATION: there is none. */
  #kind = CONTINUATION;
  #fragments: Gathering | null = null;
  #over = false;

  constructor(maxMessage: number, events: FrameEvents) {
    this.#maxMessage = maxMessage;
    this.#events = events;
  }

  /** What the connection has brought. It is only lent, and so are the messages in it. */
  read(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#held !== null) {
      this.#held.add(chunk);
      if (this.#held.length < this.#needed) return;
      bytes = this.#held.bytes();
      this.#held = null;
    }
    const at = this.#readFrame(bytes, 0);
    if (at === 0) this.#held = new Gathering(bytes, this.#needed);
    else if (!this.#over && at < bytes.length) this.#events.onBatch(() => this.#readRest(bytes, at));
  }

  #readRest(bytes: Buffer, from: number): void {
    let at = from;
    while (!this.#over && at < bytes.length) {
      const next = this.#readFrame(bytes, at);
      if (next === at) {
        this.#held = new Gathering(bytes.subarray(at), this.#needed);
        return;
      }
      at = next;
    }
  }

  /** Nothing more is told. */
  stop(): void {
    this.#over = true;
    this.#held = null;
    this.#fragments = null;
  }

  /** Where the next one begins; `at` itself when this one is not whole, and `#needed` says what it lacks. */
  #readFrame(bytes: Buffer, at: number): number {
    const there = bytes.length - at;
    if (there < 2) return this.#needs(2, at);
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    // Judged as soon as it is seen: who speaks something else may never say enough to fill the frame it seems to begin.
    if (!this.#mayBegin(first, second)) return this.#fault(PROTOCOL_ERROR);
    let length = second & LENGTH;
    let start = 2;
    if (length === LENGTH_16) {
      start = 4;
      if (there < start) return this.#needs(start, at);
      length = bytes.readUInt16BE(at + 2);
    } else if (length === LENGTH_64) {
      start = 10;
      if (there < start) return this.#needs(start, at);
      const high = bytes.readUInt32BE(at + 2);
      if (high >= 2 ** 31) return this.#fault(PROTOCOL_ERROR);
      length = high * 2 ** 32 + bytes.readUInt32BE(at + 6);
    }
    const before = this.#fragments?.length ?? 0;
    if ((first & OPCODE) < FIRST_CONTROL && before + length > this.#maxMessage) return this.#fault(TOO_BIG);
    if (there < start + length) return this.#needs(start + length, at);
    const end = at + start + length;
    this.#take(first, bytes.subarray(at + start, end));
    return end;
  }

  /** RFC 6455 §5.2 and §5.5, of the first two bytes. */
  #mayBegin(first: number, second: number): boolean {
    if ((first & RESERVED) !== 0 || (second & MASKED) !== 0) return false;
    switch (first & OPCODE) {
      case CONTINUATION:
        return this.#kind !== CONTINUATION;
      case TEXT:
      case BINARY:
        return this.#kind === CONTINUATION;
      case CLOSE:
        return (first & FIN) !== 0 && second <= MAX_CONTROL_BYTES && second !== 1;
      case PING:
      case PONG:
        return (first & FIN) !== 0 && second <= MAX_CONTROL_BYTES;
      default:
        return false;
    }
  }

  #take(first: number, payload: Buffer): void {
    const opcode = first & OPCODE;
    if (opcode >= FIRST_CONTROL) return this.#takeControl(opcode, payload);
    const kind = opcode === CONTINUATION ? this.#kind : opcode;
    if ((first & FIN) === 0) {
      this.#kind = kind;
      this.#gather(payload);
      return;
    }
    let message = payload;
    if (this.#fragments !== null) {
      this.#gather(payload);
      message = this.#fragments.bytes();
      this.#fragments = null;
    }
    this.#kind = CONTINUATION;
    if (kind === TEXT && !isUtf8(message)) this.#fault(INVALID_TEXT);
    else this.#events.onMessage(message, kind === BINARY);
  }

  #gather(payload: Buffer): void {
    if (this.#fragments === null) this.#fragments = new Gathering(payload);
    else this.#fragments.add(payload);
  }

  #takeControl(opcode: number, payload: Buffer): void {
    if (opcode === PING) return this.#events.onPing(payload);
    if (opcode === PONG) return this.#events.onPong();
    if (payload.length === 0) {
      this.stop();
      return this.#events.onClose(NO_STATUS, EMPTY);
    }
    const code = payload.readUInt16BE(0);
    const reason = payload.subarray(2);
    if (!isSendable(code)) return void this.#fault(PROTOCOL_ERROR);
    if (!isUtf8(reason)) return void this.#fault(INVALID_TEXT);
    this.stop();
    this.#events.onClose(code, reason);
  }

  #needs(bytes: number, at: number): number {
    this.#needed = bytes;
    return at;
  }

  #fault(code: number): number {
    this.stop();
    this.#events.onFault(code);
    return Number.POSITIVE_INFINITY;
  }
}
