/** What is said on channels, and what primary and workers say to each other about it: plain data, it crosses processes. */

export interface Message {
  /** From 1, one more with each message of the channel. */
  readonly offset: number;
  /** JSON text, as published. */
  readonly data: string;
}

/** `offset` of the last message, 0: there has been none. A log that was lost begins again with another epoch. */
export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

export interface HistoryOptions {
  /** Messages that are kept, at most; 0: none but the latest. */
  readonly size: number;
  /** For how long, in milliseconds; 0: as long as there is room. */
  readonly ttl: number;
}

/** What somebody gets who subscribes. */
export interface Recovery {
  readonly head: Position;
  /** Positions from this offset on can still be recovered, up to `head`; those before it cannot. */
  readonly oldest: number;
  /** Nothing lies between what was seen and `missed`. False also without a position: there is nothing to come back to. */
  readonly recovered: boolean;
  /**
   * From the position on, in order; empty unless `recovered`. Up to `head`, or the first `MOST_MISSED_BYTES` of them: who
   * wants more asks again.
   */
  readonly missed: readonly Message[];
  /** The last message, however old; null: there is none. */
  readonly latest: Message | null;
}

/** Of messages in one answer: what a client may ask for by a few bytes must not fill the memory of all processes. */
export const MOST_MISSED_BYTES = 4 * 1024 * 1024;

/** The first of them, as many as one answer holds: one at least. */
export function firstMissed(messages: readonly Message[]): readonly Message[] {
  let bytes = 0;
  const end = messages.findIndex(({ data }) => {
    bytes += data.length;
    return bytes > MOST_MISSED_BYTES;
  });
  return end < 0 ? messages : messages.slice(0, Math.max(1, end));
}

/** From the answer on the worker gets all messages of the channel. */
export interface ChannelQuestion {
  readonly ask: number;
  readonly channel: string;
  readonly since: Position | null;
}

/** What a worker wants of the primary, in this order. */
export type ChannelAsk =
  | ChannelQuestion
  /** Nobody there wants it any more. */
  | { readonly leave: string };

export interface ChannelAnswer {
  readonly answer: number;
  readonly recovery: Recovery;
  readonly history: HistoryOptions;
}

/** What the primary tells a worker, in this order: the order of messages is what makes an answer exact. */
export type ChannelNews =
  | { readonly channel: string; readonly epoch: string; readonly message: Message }
  | ChannelAnswer
  /** The question cannot be answered for now. */
  | { readonly refused: number; readonly why: string }
  /** The worker did not keep up: messages of the channel were left out. It is to ask for them. */
  | { readonly torn: string };

/** Whom a broadcast is for. */
export type Audience =
  | { readonly user: string }
  | { readonly role: string }
  | { readonly route: string }
  | { readonly all: true };

export interface Broadcast {
  readonly to: Audience;
  /** JSON text. */
  readonly data: string;
}
