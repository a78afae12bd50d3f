/** One route's idempotency keys: which requests are sent, and which are told what became of an earlier one. */
import { randomUUID } from 'node:crypto';
import * as failures from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import { CONTINUE, type Env, type Step, type Verdict } from '../../pipeline.js';
import type { ClaimAnswer, KeptAnswer } from './claims.js';
import { callerOf, fingerprintOf, keyId } from './fingerprint.js';
import type { IdempotencyOptions } from './keeper.js';
import { keyField, parseKey } from './key-syntax.js';
import { RecordingClient } from './recording-client.js';
import type { Settlements } from './settlements.js';
import { Ticket, type TicketOptions } from './ticket.js';
import { wholeBody } from './whole-body.js';

/** Seconds after which the first request has probably ended. */
const IN_FLIGHT_RETRY_S = 1;

export class Guard {
  readonly #options: IdempotencyOptions;
  readonly #methods: ReadonlySet<string>;
  readonly #ticketOptions: TicketOptions;
  readonly #route: string;
  readonly #settlements: Settlements;

  constructor(options: IdempotencyOptions, route: Env['route'], settlements: Settlements) {
    this.#options = options;
    this.#methods = new Set(options.methods);
    this.#ticketOptions = { maxBody: options.maxBody, notExecuted: new Set(options.notExecuted) };
    this.#route = route.name;
    this.#settlements = settlements;
  }

  readonly check = (x: Exchange): Verdict | Promise<Verdict> => {
    if (!this.#methods.has(x.method)) return CONTINUE;
    const { header, required, strict } = this.#options;
    const field = keyField(x, header);
    if (field === undefined) return required ? x.refuse(failures.IDEMPOTENCY_KEY_MISSING) : CONTINUE;
    const key = field === null ? null : parseKey(field, strict);
    if (key === null) return x.refuse(failures.IDEMPOTENCY_KEY_INVALID);
    return this.#decide(x, key);
  };

  readonly onHead: Step = (x) => {
    if (x.witness instanceof Ticket) x.witness.head(x);
  };

  readonly onDone: Step = (x) => {
    if (x.witness instanceof Ticket) x.witness.ended();
  };

  async #decide(x: Exchange, key: string): Promise<Verdict> {
    const { maxBody } = this.#options;
    const collected = await wholeBody(x, maxBody);
    if (collected === 'stalled') return x.refuse(failures.REQUEST_TIMEOUT);
    if (collected === 'too large') {
      return x.refuse(
        failures.BODY_TOO_LARGE,
        `With an idempotency key the body may have at most ${maxBody} bytes.`,
      );
    }
    const token = randomUUID();
    const id = keyId(callerOf(x.identity), key);
    const fingerprint = fingerprintOf(x, this.#route, id);
    const answer = await this.#settlements.claim({ token, id, fingerprint, ttlMs: this.#options.ttl });
    return answer.state === 'claimed' ? this.#admit(x, token) : this.#tell(x, answer);
  }

  #admit(x: Exchange, token: string): Verdict {
    const ticket = new Ticket(x, this.#ticketOptions, (settlement) =>
      this.#settlements.settle(token, settlement),
    );
    x.witness = ticket;
    // The client has left while it waited: nothing was sent, nothing will be.
    if (x.done) ticket.lost();
    x.client = new RecordingClient(x.client, ticket);
    x.idempotent = this.#options.serviceHonours;
    return CONTINUE;
  }

  #tell(x: Exchange, answer: Exclude<ClaimAnswer, { state: 'claimed' }>): Verdict {
    switch (answer.state) {
      case 'done':
        return x.answer(replayOf(answer.answer));
      case 'running':
        x.retryAfterS = IN_FLIGHT_RETRY_S;
        return x.refuse(failures.IDEMPOTENCY_IN_FLIGHT);
      case 'reused':
        return x.refuse(failures.IDEMPOTENCY_KEY_REUSED);
      case 'unknown':
        return x.refuse(failures.IDEMPOTENCY_OUTCOME_UNKNOWN);
      case 'large':
        return x.refuse(
          failures.IDEMPOTENCY_ANSWER_NOT_KEPT,
          `The first request with this idempotency key was answered with status ${answer.status} and more than is kept. It is not sent again.`,
        );
      case 'unavailable':
        return x.refuse(failures.IDEMPOTENCY_UNAVAILABLE);
    }
  }
}

function replayOf({ status, headers, body }: KeptAnswer) {
  return {
    status,
    headers: [...headers, 'idempotency-replayed', 'true'],
    // Between processes it travels as bare bytes.
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
  };
}
