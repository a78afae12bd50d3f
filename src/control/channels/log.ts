/**
 * What was said on channels, in order: each message gets the next offset of its channel, and is kept as long as `history`
 * says. Who comes back with the position it has seen gets exactly what it missed, or is told that this cannot be.
 */

import type { HistoryOptions, Message, Position, Recovery } from '../../services/channels/messages.js';

export type { HistoryOptions, Message, Position, Recovery };

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

/** `channels.max`; clients are told, so without the number. */
export const NO_ROOM_FOR_CHANNELS = 'there are as many channels with subscribers as there may be';
