/** Who is on which channel, where this machine is the only one. */
import type { Newcomer, PresencePage } from '../../../services/channels/presence.js';
import { Attendance } from './attendance.js';
import type { OnPresence, PresenceBook } from './presence-book.js';

export class LocalPresence implements PresenceBook {
  readonly #attendance: Attendance;
  readonly #watched = new Set<string>();

  constructor(onPresence: OnPresence) {
    this.#attendance = new Attendance((channel, _, now, was) => {
      if (!this.#watched.has(channel)) return;
      if (was === null && now !== null) onPresence(channel, { event: 'join', member: now });
      else if (now === null && was !== null) onPresence(channel, { event: 'leave', member: was });
    });
  }

  join(channel: string, worker: number, socket: string, who: Newcomer, graceMs: number): void {
    this.#attendance.join(channel, worker, socket, who, graceMs);
  }

  leave(channel: string, worker: number, socket: string): void {
    this.#attendance.leave(channel, worker, socket);
  }

  workerGone(worker: number): void {
    this.#attendance.workerGone(worker);
  }

  async list(channel: string, after: string, limit: number): Promise<PresencePage> {
    return { ...this.#attendance.list(channel, after, limit), partial: false };
  }

  async watch(channel: string): Promise<void> {
    this.#watched.add(channel);
  }

  unwatch(channel: string): void {
    this.#watched.delete(channel);
  }

  async close(): Promise<void> {
    this.#attendance.close();
  }
}
