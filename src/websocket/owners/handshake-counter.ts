/** What became of handshakes on routes that take them. */
import type { Exchange } from '../../exchange.js';

/** By what they ended with: `101`, the status of the service's refusal as a class (`4xx`), or the code of ours. */
export type HandshakeCounts = ReadonlyMap<string, number>;

export class HandshakeCounter {
  accepted = 0;
  #others = new Map<string, number>();

  /** The exchange is over, and has led to no socket. */
  ended(x: Exchange): void {
    const key = resultOf(x);
    this.#others.set(key, (this.#others.get(key) ?? 0) + 1);
  }

  /** Since the last call, by `result code`. */
  take(): HandshakeCounts {
    const counts = this.#others;
    if (this.accepted > 0) counts.set('accepted 101', this.accepted);
    this.#others = new Map();
    this.accepted = 0;
    return counts;
  }
}

/** Two words: who has decided, and how. Both are of a small set, whatever clients and services say. */
function resultOf({ failure, status, aborted }: Exchange): string {
  if (aborted) return 'gone -';
  if (failure === null) return `service ${Math.floor(status / 100)}xx`;
  return `${failure.blame === 'upstream' ? 'failed' : 'refused'} ${failure.code}`;
}
