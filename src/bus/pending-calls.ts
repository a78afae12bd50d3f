/** Calls over a channel, each answered under its number. */

/** A call of one side, answered by the other under the same id. Each side counts its own. */
export interface CallMessage {
  id: number;
  call: string;
  argument: unknown;
}

export type AnswerMessage = { id: number; result: unknown } | { id: number; error: string };

/** Why a call failed that took too long. The other side may still carry it out. */
export class NoAnswer extends Error {}

interface PendingCall {
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout | undefined;
}

/** The calls that one side has made and waits for. */
export class PendingCalls {
  readonly #send: (message: CallMessage) => unknown;
  readonly #pending = new Map<number, PendingCall>();
  #lastId = 0;

  constructor(send: (message: CallMessage) => unknown) {
    this.#send = send;
  }

  /** `timeoutMs` 0: no limit. */
  readonly call = (name: string, argument: unknown, timeoutMs: number): Promise<unknown> => {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const late = () =>
        this.#take(id)?.reject(new NoAnswer(`no answer to "${name}" within ${timeoutMs} ms`));
      const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
      this.#pending.set(id, { resolve, reject, timer });
      this.#send({ id, call: name, argument });
    });
  };

  settle(message: AnswerMessage): void {
    const call = this.#take(message.id);
    if (call === undefined) return; // its time was over
    if ('error' in message) call.reject(new Error(message.error));
    else call.resolve(message.result);
  }

  failAll(error: Error): void {
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(error);
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(call?.timer);
    return call;
  }
}
