/** What the hub wants of the primary: one question for each channel at a time, and all of a turn together. */
import type { ChannelAsk, Position } from '../../../services/channels/messages.js';
import type { Channel } from './channel.js';

export class Questions {
  readonly #send: (asks: readonly ChannelAsk[]) => void;
  #waiting: ChannelAsk[] = [];
  #last = 0;
  readonly #asked = new Map<number, Channel>();

  constructor(send: (asks: readonly ChannelAsk[]) => void) {
    this.#send = send;
  }

  /** What those that wait have missed, from the furthest of them on, or from the one that waits for longest; of a channel that is torn, what it lacks itself. */
  ask(channel: Channel): void {
    if (channel.asked !== null) return;
    const since = channel.state === 'torn' ? channel.position : furthest(channel);
    const id = ++this.#last;
    channel.asked = { id, since };
    this.#asked.set(id, channel);
    this.#push({ ask: id, channel: channel.name, since });
  }

  /** Nobody here wants the channel any more. */
  leave({ name }: Channel): void {
    this.#push({ leave: name });
  }

  /** There is an answer: what it is about, and what was asked. Others may be asked now. */
  answered(id: number): { channel: Channel; since: Position | null } | null {
    const channel = this.#asked.get(id);
    if (channel === undefined) return null;
    this.#asked.delete(id);
    const since = channel.asked?.since ?? null;
    channel.asked = null;
    return { channel, since };
  }

  #push(ask: ChannelAsk): void {
    if (this.#waiting.push(ask) > 1) return;
    queueMicrotask(() => {
      const asks = this.#waiting;
      this.#waiting = [];
      this.#send(asks);
    });
  }
}

function furthest({ waiting, state, epoch, isLong }: Channel): Position | null {
  let found: Position | null = null;
  for (const { since } of waiting) {
    if (since === null || (state === 'open' && since.epoch !== epoch)) continue;
    if (found === null || since.offset < found.offset) found = since;
    if (isLong) break;
  }
  return found;
}
