/**
 * Reads the fields of a request head in one pass and sorts them: end-to-end fields to pass on, fields about the way
 * here, and those that frame the message or belong to the connection, which are judged here and go no further.
 *
 * There is one reader per process, used and emptied within the listener's synchronous callback.
 */

import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import type { HttpRequest } from './addon/uws.js';

export type UnderscorePolicy = 'reject' | 'drop' | 'allow';

/** RFC 9110 §5.6.2, in the lower case the listener gives. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What nearly all values consist of: they pass as they are. */
const PLAIN_VALUE = /^[\t -~]*$/;
const ILLEGAL_VALUE = /[\x00-\x08\x0a-\x1f\x7f\ufffd]/;

class HeadReader {
  headers: string[] = [];
  fault: Failure | null = null;
  authority = '';
  contentLength = '';
  transferEncoding = '';
  connection = '';
  upgrade = '';
  via = '';
  requestId = '';
  requestDeadline = '';
  forwarded = '';
  forwardedFor = '';
  forwardedProto = '';
  forwardedHost = '';
  #hosts = 0;
  #underscores: UnderscorePolicy = 'reject';
  #reserved: ReservedNames = NOTHING_RESERVED;

  /** Bound once: a closure per request would be garbage. */
  readonly #take = (name: string, value: string) => this.#field(name, value);

  read(req: HttpRequest, underscores: UnderscorePolicy, reserved: ReservedNames): void {
    this.headers = [];
    this.fault = null;
    this.authority = '';
    this.contentLength = '';
    this.transferEncoding = '';
    this.connection = '';
    this.upgrade = '';
    this.via = '';
    this.requestId = '';
    this.requestDeadline = '';
    this.forwarded = '';
    this.forwardedFor = '';
    this.forwardedProto = '';
    this.forwardedHost = '';
    this.#hosts = 0;
    this.#underscores = underscores;
    this.#reserved = reserved;
    req.forEach(this.#take);
    if (this.#hosts !== 1) this.fault ??= failures.BAD_HOST;
    if (this.connection !== '') this.#dropNamed();
  }

  #field(name: string, raw: string): void {
    if (!NAME.test(name)) {
      this.fault ??= failures.BAD_HEADER;
      return;
    }
    const value = PLAIN_VALUE.test(raw) ? raw : this.#bytes(raw);
    // Lengths first: most fields are told apart by one integer comparison.
    switch (name.length) {
      case 2:
        if (name === 'te') return;
        break;
      case 3:
        if (name === 'via') {
          this.via = join(this.via, value);
          return;
        }
        break;
      case 4:
        if (name === 'host') {
          this.#hosts++;
          this.authority = value;
          return;
        }
        break;
      case 5:
        // CGI-style services would read it as their HTTP_PROXY (CVE-2016-5385).
        if (name === 'proxy') return;
        break;
      case 6:
        if (name === 'expect') {
          if (value.toLowerCase() !== '100-continue') this.fault ??= failures.EXPECTATION_FAILED;
          return;
        }
        break;
      case 7:
        if (name === 'upgrade') {
          this.upgrade = join(this.upgrade, value);
          return;
        }
        if (name === 'trailer') return;
        break;
      case 9:
        if (name === 'forwarded') {
          this.forwarded = join(this.forwarded, value);
          return;
        }
        if (name === 'x-real-ip') return;
        break;
      case 10:
        if (name === 'connection') {
          this.connection = join(this.connection, value);
          return;
        }
        if (name === 'keep-alive') return;
        break;
      case 12:
        if (name === 'x-request-id') {
          this.requestId = value;
          return;
        }
        break;
      case 14:
        if (name === 'content-length') {
          if (this.contentLength !== '' || !/^\d{1,15}$/.test(value)) this.fault ??= failures.BAD_FRAMING;
          this.contentLength = value;
          return;
        }
        if (name === 'http2-settings') return;
        break;
      case 16:
        if (name === 'proxy-connection') return;
        break;
      case 17:
        if (name === 'transfer-encoding') {
          if (this.transferEncoding !== '' || value !== 'chunked') this.fault ??= failures.BAD_FRAMING;
          this.transferEncoding = value;
          return;
        }
        break;
      case 18:
        if (name === 'x-request-deadline') {
          this.requestDeadline = value;
          return;
        }
        break;
      case 19:
        if (name === 'proxy-authorization') return;
        break;
      default:
    }
    if (name.charCodeAt(0) === 0x78 && name.startsWith('x-forwarded-'))
      return this.#forwardedField(name, value);
    if (this.#underscores !== 'allow' && name.includes('_')) {
      // `x_user_id` and `x-user-id` are one variable to CGI-style services.
      if (this.#underscores === 'reject') this.fault ??= failures.BAD_HEADER;
      return;
    }
    if (this.#reserved.has(name)) return;
    this.headers.push(name, value);
  }

  #forwardedField(name: string, value: string): void {
    if (name === 'x-forwarded-for') this.forwardedFor = join(this.forwardedFor, value);
    else if (name === 'x-forwarded-proto') this.forwardedProto = value;
    else if (name === 'x-forwarded-host') this.forwardedHost = value;
  }

  /** The listener decodes values as UTF-8; connections to services write Latin-1: this keeps the client's bytes. */
  #bytes(value: string): string {
    if (ILLEGAL_VALUE.test(value)) this.fault ??= failures.BAD_HEADER;
    return Buffer.from(value, 'utf8').toString('latin1');
  }

  /** Fields that `Connection` names belong to the connection (RFC 9110 §7.6.1). Ours are added later, out of reach. */
  #dropNamed(): void {
    const lower = this.connection.toLowerCase();
    if (lower === 'keep-alive' || lower === 'close') return;
    const named = lower.split(/[\s,]+/);
    const kept: string[] = [];
    for (let i = 0; i < this.headers.length; i += 2) {
      if (!named.includes(this.headers[i])) kept.push(this.headers[i], this.headers[i + 1]);
    }
    this.headers = kept;
  }

  /** `Connection` says so: that it is to end with this exchange, or to become another one. */
  wants(option: 'close' | 'upgrade'): boolean {
    return (
      this.connection !== '' &&
      this.connection !== 'keep-alive' &&
      this.connection
        .toLowerCase()
        .split(/[\s,]+/)
        .includes(option)
    );
  }
}

/**
 * Names under which services learn from us who is calling. What a client sends under them is dropped, on every route; so is
 * a name that differs in `-` and `_` only, because CGI-style services cannot tell them apart.
 */
export class ReservedNames {
  readonly #names: ReadonlySet<string>;
  /** Bit n: one of them has n characters. Most fields of a request need no more than this. */
  readonly #lengths: number;

  constructor(names: Iterable<string>) {
    this.#names = new Set([...names].map((name) => name.toLowerCase().replaceAll('_', '-')));
    let lengths = 0;
    for (const { length } of this.#names) lengths |= 1 << (length & 31);
    this.#lengths = lengths;
  }

  /** `name` in lower case. */
  has(name: string): boolean {
    if ((this.#lengths & (1 << (name.length & 31))) === 0) return false;
    return this.#names.has(name) || (name.includes('_') && this.#names.has(name.replaceAll('_', '-')));
  }
}

const NOTHING_RESERVED = new ReservedNames([]);

/** Several lines of one list field are one list (RFC 9110 §5.3). */
function join(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`;
}

export const head = new HeadReader();
