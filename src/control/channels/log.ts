/**
 * What was said on channels, in order: each message gets the next offset of its channel, and is kept as long as `history`
 * says. Who comes back with the position it has seen gets exactly what it missed, or is told that this cannot be.
 */

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
  /** From the position up to `head`, in order; empty unless `recovered`. */
  readonly missed: readonly Message[];
  /** The last message, however old; null: there is none. */
  readonly latest: Message | null;
}

/** What is known of a channel, for those who look after the gateway. */
export interface ChannelState {
  readonly head: Position;
  /** Messages that can still be recovered. */
  readonly kept: number;
}

/** Called for each message of a channel that is followed, in order of offsets within an epoch. */
export type OnMessage = (channel: string, message: Message, epoch: string) => void;

export interface ChannelLog {
  /**
   * Puts it in order, and keeps it. All who follow the channel hear of it, those of other machines too.
   *
   * @throws LogUnavailable
   */
  append(channel: string, data: string, history: HistoryOptions): Promise<Position>;
  /**
   * `answer` is called once, at its place in the order of messages: of a channel that is followed `onMessage` has told all
   * messages up to `head`, and none after it. (A promise alone would leave a moment in which more are told.) `head` is the
   * position from which on the one who asks hears everything, so `follow` comes first.
   *
   * @throws LogUnavailable
   */
  recover(
    channel: string,
    since: Position | null,
    history: HistoryOptions,
    answer: (recovery: Recovery) => void,
  ): Promise<void>;
  /**
   * From now on its messages are wanted here.
   *
   * @throws LogUnavailable
   */
  follow(channel: string): void;
  /** No longer. */
  unfollow(channel: string): void;
  /** null: nothing is known of it. */
  look(channel: string): Promise<ChannelState | null>;
  /** Channels that are known here. */
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** For now nothing can be put in order: the caller may try again. */
export class LogUnavailable extends Error {}
