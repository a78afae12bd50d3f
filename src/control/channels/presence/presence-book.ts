/** Who is on which channel: told by the workers, asked by clients and operators. */
import type { Newcomer, PresenceEvent, PresencePage } from '../../../services/channels/presence.js';

export interface PresenceBook {
  /** A socket of this worker has subscribed. `graceMs`: how long its member stays when its last socket goes. */
  join(channel: string, worker: number, socket: string, who: Newcomer, graceMs: number): void;
  leave(channel: string, worker: number, socket: string): void;
  /** All its sockets are gone. */
  workerGone(worker: number): void;
  /** Members behind the one with this id; never rejects. */
  list(channel: string, after: string, limit: number): Promise<PresencePage>;
  /** `OnPresence` is called for this channel, for everything that happens after it resolves. Never rejects. */
  watch(channel: string): Promise<void>;
  unwatch(channel: string): void;
  close(): Promise<void>;
}

export type OnPresence = (channel: string, event: PresenceEvent) => void;
