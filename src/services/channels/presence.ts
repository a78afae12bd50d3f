/** Who is on a channel: what workers, primaries and machines say to each other about it. */

/** Who joins: all sockets with the same id are one member. */
export interface Newcomer {
  /** Of the user; of a client that nobody knows, its own. */
  readonly id: string;
  /** null: nobody in particular. */
  readonly user: string | null;
  /** JSON text that the client tells the others about itself; null: nothing. */
  readonly info: string | null;
}

export interface Member extends Newcomer {
  /** Open at the moment; 0: gone, and may be back at once. */
  readonly sockets: number;
}

/** Part of the members, in the order of their ids. */
export interface PresencePage {
  readonly members: readonly Member[];
  readonly total: number;
  /** What to ask with for the members behind these; null: there are none. */
  readonly next: string | null;
  /** Members on other machines are not known at the moment. */
  readonly partial: boolean;
}

/** `sync`: some may have been missed; the members begin with these. */
export type PresenceEvent =
  | { readonly event: 'join' | 'leave'; readonly member: Member }
  | { readonly event: 'sync'; readonly page: PresencePage };

/** Members in one answer, unless fewer are asked for. */
export const MEMBERS_AT_ONCE = 100;

/** What a worker tells the primary, in order. `socket` is the worker's own word for one of its clients. */
export type PresenceNews =
  | { readonly join: string; readonly socket: string; readonly who: Newcomer; readonly graceMs: number }
  | { readonly leave: string; readonly socket: string }
  /** Some client wants to hear who comes and goes; or none does any more. */
  | { readonly watch: string }
  | { readonly unwatch: string };

/** What the primary tells a worker, in order. */
export interface PresenceTold {
  readonly channel: string;
  readonly event: PresenceEvent;
}
