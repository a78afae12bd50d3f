/**
 * Who is on which channel on this machine. A member comes with its first socket, and goes some time after its last one: a
 * connection that breaks and comes back is no news.
 */
import type { Member, Newcomer, PresencePage } from '../../../services/channels/presence.js';

/** `now` null: the member is gone; `was` null: it has just come. */
export type OnAttendance = (channel: string, id: string, now: Member | null, was: Member | null) => void;

interface Present {
  who: Newcomer;
  sockets: number;
  graceMs: number;
  leaving: NodeJS.Timeout | undefined;
}

interface Channel {
  readonly members: Map<string, Present>;
  /** Worker and socket → the member's id. */
  readonly sockets: Map<string, string>;
  /** In order; null: to be sorted again. */
  ids: string[] | null;
}

export class Attendance {
  readonly #onChange: OnAttendance;
  readonly #channels = new Map<string, Channel>();
  readonly #workers = new Map<number, Map<string, Set<string>>>();

  constructor(onChange: OnAttendance) {
    this.#onChange = onChange;
  }

  join(channel: string, worker: number, socket: string, who: Newcomer, graceMs: number): void {
    const known = this.#channels.get(channel) ?? { members: new Map(), sockets: new Map(), ids: null };
    const key = `${worker} ${socket}`;
    if (known.sockets.has(key)) return;
    this.#channels.set(channel, known);
    known.sockets.set(key, who.id);
    this.#socketsOf(worker, channel).add(socket);
    const present = known.members.get(who.id);
    if (present === undefined) {
      known.members.set(who.id, { who, sockets: 1, graceMs, leaving: undefined });
      known.ids = null;
      return this.#onChange(channel, who.id, { ...who, sockets: 1 }, null);
    }
    clearTimeout(present.leaving);
    const was = memberOf(present);
    present.who = who;
    present.sockets++;
    present.graceMs = graceMs;
    this.#onChange(channel, who.id, memberOf(present), was);
  }

  leave(channel: string, worker: number, socket: string): void {
    const ofWorker = this.#workers.get(worker);
    const sockets = ofWorker?.get(channel);
    if (sockets?.delete(socket) && sockets.size === 0) ofWorker?.delete(channel);
    this.#left(channel, `${worker} ${socket}`);
  }

  workerGone(worker: number): void {
    const channels = this.#workers.get(worker) ?? new Map<string, Set<string>>();
    this.#workers.delete(worker);
    for (const [channel, sockets] of channels) {
      for (const socket of sockets) this.#left(channel, `${worker} ${socket}`);
    }
  }

  /** On which somebody is. */
  get channels(): readonly string[] {
    return [...this.#channels.keys()];
  }

  /** How many are on it, those who may be back at once among them. */
  count(channel: string): number {
    return this.#channels.get(channel)?.members.size ?? 0;
  }

  /** How long its members may stay without a socket. */
  grace(channel: string): number {
    let longest = 0;
    for (const { graceMs } of this.#channels.get(channel)?.members.values() ?? [])
      longest = Math.max(longest, graceMs);
    return longest;
  }

  member(channel: string, id: string): Member | null {
    const present = this.#channels.get(channel)?.members.get(id);
    return present === undefined ? null : memberOf(present);
  }

  *members(channel: string): Iterable<Member> {
    for (const present of this.#channels.get(channel)?.members.values() ?? []) yield memberOf(present);
  }

  list(channel: string, after: string, limit: number): Omit<PresencePage, 'partial'> {
    const known = this.#channels.get(channel);
    if (known === undefined) return { members: [], total: 0, next: null };
    known.ids ??= [...known.members.keys()].sort();
    const from = firstBehind(known.ids, after);
    const ids = known.ids.slice(from, from + limit);
    const more = from + limit < known.ids.length;
    return {
      members: ids.map((id) => memberOf(known.members.get(id) as Present)),
      total: known.ids.length,
      next: more ? (ids.at(-1) ?? null) : null,
    };
  }

  close(): void {
    for (const { members } of this.#channels.values()) {
      for (const { leaving } of members.values()) clearTimeout(leaving);
    }
    this.#channels.clear();
    this.#workers.clear();
  }

  #left(channel: string, key: string): void {
    const known = this.#channels.get(channel);
    const id = known?.sockets.get(key);
    if (known === undefined || id === undefined) return;
    known.sockets.delete(key);
    const present = known.members.get(id) as Present;
    const was = memberOf(present);
    present.sockets--;
    if (present.sockets > 0) return this.#onChange(channel, id, memberOf(present), was);
    if (present.graceMs === 0) return this.#gone(channel, known, id);
    present.leaving = setTimeout(() => this.#gone(channel, known, id), present.graceMs).unref();
    this.#onChange(channel, id, memberOf(present), was);
  }

  #gone(channel: string, known: Channel, id: string): void {
    const was = memberOf(known.members.get(id) as Present);
    known.members.delete(id);
    known.ids = null;
    if (known.members.size === 0) this.#channels.delete(channel);
    this.#onChange(channel, id, null, was);
  }

  #socketsOf(worker: number, channel: string): Set<string> {
    const channels = this.#workers.get(worker) ?? new Map<string, Set<string>>();
    this.#workers.set(worker, channels);
    const sockets = channels.get(channel) ?? new Set<string>();
    channels.set(channel, sockets);
    return sockets;
  }
}

function memberOf({ who, sockets }: Present): Member {
  return { id: who.id, user: who.user, info: who.info, sockets };
}

/** By halves: a channel may have many members. */
function firstBehind(ids: readonly string[], after: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
