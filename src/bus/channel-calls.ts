/** Channels: what primary and workers say to each other about them. */

import type { Broadcast, ChannelAsk, ChannelNews } from '../services/channels/messages.js';
import type { AttendanceCalls } from './attendance-calls.js';

/** What the primary asks of a worker. */
export interface ChannelCalls extends AttendanceCalls {
  /** What is new, in order. The answer says that it was taken. */
  channelNews: [readonly ChannelNews[], void];
  /** How many clients of the worker it was for. */
  broadcast: [Broadcast, { reached: number }];
}

/** What a worker says by itself. */
export interface ChannelAsks {
  channelAsks: readonly ChannelAsk[];
}
