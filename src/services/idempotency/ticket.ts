/** One request that was the first with its key: what was sent for it is followed to its end, and said once. */
import type { Exchange, Witness } from '../../exchange.js';
import type { Settlement } from './claims.js';

/** Of the gateway or of an earlier gateway: the replay gets its own. */
const NOT_KEPT = new Set(['x-request-id', 'idempotency-replayed']);

export interface TicketOptions {
  /** Largest answer that is kept, in bytes. */
  readonly maxBody: number;
  /** Statuses with which the service says that it did nothing. */
  readonly notExecuted: ReadonlySet<number>;
}

export class Ticket implements Witness {
  readonly #x: Exchange;
  readonly #options: TicketOptions;
  readonly #settle: (settlement: Settlement) => void;
  #settled = false;
  #status = 0;
  #headers: readonly string[] = [];
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(x: Exchange, options: TicketOptions, settle: (settlement: Settlement) => void) {
    this.#x = x;
    this.#options = options;
    this.#settle = settle;
  }

  /** Before anything of the gateway is added to the head. */
  head({ status, answerHeaders }: Exchange): void {
    const kept: string[] = [];
    for (let i = 0; i < answerHeaders.length; i += 2) {
      const name = answerHeaders[i] as string;
      if (!NOT_KEPT.has(name)) kept.push(name, answerHeaders[i + 1] as string);
    }
    this.#status = status;
    this.#headers = kept;
  }

  /** The service's answer begins; `length` is -1 when unknown. */
  begin(length: number): void {
    if (length > this.#options.maxBody) this.#tooLarge();
  }

  take(chunk: Buffer): void {
    if (this.#settled || chunk.length === 0) return;
    this.#bytes += chunk.length;
    // A copy: what the connection read is larger than the chunk.
    if (this.#bytes <= this.#options.maxBody) this.#chunks.push(Buffer.from(chunk));
    else this.#tooLarge();
  }

  /** The service's answer is complete. */
  complete(): void {
    const status = this.#status;
    if (this.#options.notExecuted.has(status)) return this.#say({ state: 'released' });
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#say({ state: 'done', answer: { status, headers: this.#headers, body } });
  }

  /** Step 7 of its exchange. */
  ended(): void {
    // The client has left: see Gateway.onGone.
    if (this.#x.aborted && this.#x.sent && this.#x.attempt !== null) return;
    this.lost();
  }

  lost(): void {
    this.#say({ state: this.#x.sent ? 'unknown' : 'released' });
  }

  /** It was executed, whatever the rest of the answer says. */
  #tooLarge(): void {
    const status = this.#status;
    this.#say(this.#options.notExecuted.has(status) ? { state: 'released' } : { state: 'large', status });
  }

  #say(settlement: Settlement): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#chunks = [];
    this.#x.witness = null;
    this.#settle(settlement);
  }
}
