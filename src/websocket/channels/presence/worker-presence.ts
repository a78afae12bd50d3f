/**
 * Presence as a worker has it: it tells the primary which of its clients are on which channel, and its clients who comes and
 * goes. A client that does not keep up is told who is there when it reads again, and so are all when too many come and go.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Exchange } from '../../../exchange.js';
import type {
  Newcomer,
  PresenceEvent,
  PresenceNews,
  PresencePage,
  PresenceTold,
} from '../../../services/channels/presence.js';
import { MEMBERS_AT_ONCE } from '../../../services/channels/presence.js';
import { presenceText } from './presence-texts.js';

/** A client, as presence knows it. */
export interface Attendee {
  readonly x: Exchange;
  /** More waits for it than may. */
  readonly full: boolean;
  tell(op: string, text: string): void;
}

/** What it wants to hear, and to say of itself. */
export interface PresenceWish {
  readonly events: boolean;
  /** JSON text; null: nothing. */
  readonly info: string | null;
}

export const NO_WISH: PresenceWish = Object.freeze({ events: false, info: null });

export interface WorkerPresenceEnv {
  /** Resolves when the primary has taken it. */
  hand(news: readonly PresenceNews[]): Promise<void>;
  /** Rejects when the primary does not answer. */
  list(channel: string, after: string, limit: number): Promise<PresencePage>;
}

/** How often it is looked whether a client that missed something reads again. */
const LOOK_EVERY_MS = 500;
/**
 * So often clients are told of somebody in that time. Where everybody watches everybody, thousands who come at once would be
 * millions of messages: beyond this all are told who is there, some time later.
 */
const MOST_TOLD = 10_000;

interface Known {
  /** The worker's word for it. */
  readonly socket: string;
  readonly id: string;
  readonly user: string | null;
  readonly channels: Set<string>;
}

export class WorkerPresence {
  readonly #env: WorkerPresenceEnv;
  readonly #known = new Map<Attendee, Known>();
  /** Those that want to hear of a channel; true: something was left out. */
  readonly #watching = new Map<string, Map<Attendee, boolean>>();
  #news: PresenceNews[] = [];
  #handing: Promise<void> | null = null;
  #sockets = 0;
  /** How many clients may still be told of an event, until the next look. */
  #room = MOST_TOLD;
  #timer: NodeJS.Timeout | undefined;

  constructor(env: WorkerPresenceEnv) {
    this.#env = env;
  }

  /** The client is subscribed to a channel of a route with presence. */
  join(client: Attendee, channel: string, graceMs: number, { events, info }: PresenceWish): void {
    const known = this.#known.get(client) ?? this.#meet(client);
    if (known.channels.has(channel)) return;
    known.channels.add(channel);
    const { socket, id, user } = known;
    const who: Newcomer = { id, user, info };
    this.#tell({ join: channel, socket, who, graceMs });
    if (events) this.#watch(client, channel);
  }

  /** No longer. */
  leave(client: Attendee, channel: string): void {
    const known = this.#known.get(client);
    if (!known?.channels.delete(channel)) return;
    if (known.channels.size === 0) this.#known.delete(client);
    this.#unwatch(client, channel);
    this.#tell({ leave: channel, socket: known.socket });
  }

  /** What the worker has said so far is in it. Rejects when the primary does not answer. */
  async list(channel: string, after: string, limit: number): Promise<PresencePage> {
    await this.#handing;
    return await this.#env.list(channel, after, limit);
  }

  /** From the primary. */
  take(told: readonly PresenceTold[]): void {
    for (const { channel, event } of told) {
      const watching = this.#watching.get(channel);
      if (watching === undefined) continue;
      this.#room -= watching.size;
      if (this.#room < 0) {
        for (const client of watching.keys()) watching.set(client, true);
        continue;
      }
      const text = presenceText(channel, event);
      for (const [client] of watching) {
        if (client.full) watching.set(client, true);
        else client.tell('presence', text);
      }
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #meet(client: Attendee): Known {
    const { identity } = client.x;
    const named = identity?.user || identity?.consumer || '';
    const known: Known = {
      socket: String(++this.#sockets),
      id: named === '' ? randomBytes(9).toString('base64url') : idOf(identity?.provider ?? '', named),
      user: named === '' ? null : named,
      channels: new Set(),
    };
    this.#known.set(client, known);
    return known;
  }

  #watch(client: Attendee, channel: string): void {
    const watching = this.#watching.get(channel) ?? new Map<Attendee, boolean>();
    if (watching.size === 0) this.#tell({ watch: channel });
    this.#watching.set(channel, watching.set(client, false));
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  #unwatch(client: Attendee, channel: string): void {
    const watching = this.#watching.get(channel);
    if (!watching?.delete(client) || watching.size > 0) return;
    this.#watching.delete(channel);
    this.#tell({ unwatch: channel });
    if (this.#watching.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** What happens in one turn goes together, and in order. */
  #tell(news: PresenceNews): void {
    this.#news.push(news);
    this.#handing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#hand());
  }

  async #hand(): Promise<void> {
    while (this.#news.length > 0) {
      const news = this.#news;
      this.#news = [];
      // A primary that is gone takes the worker with it.
      await this.#env.hand(news).catch(() => {});
    }
    this.#handing = null;
  }

  #look(): void {
    this.#room = MOST_TOLD;
    for (const [channel, watching] of this.#watching) {
      const behind = [...watching].flatMap(([client, missed]) => (missed && !client.full ? [client] : []));
      if (behind.length > 0) void this.#catchUp(channel, watching, behind);
    }
  }

  async #catchUp(
    channel: string,
    watching: Map<Attendee, boolean>,
    behind: readonly Attendee[],
  ): Promise<void> {
    const page = await this.list(channel, '', MEMBERS_AT_ONCE).catch(() => null);
    if (page === null) return;
    const event: PresenceEvent = { event: 'sync', page };
    for (const client of behind) {
      if (!watching.has(client)) continue;
      watching.set(client, false);
      client.tell('presence', presenceText(channel, event));
    }
  }
}

/** The same on every machine, and nothing that others could use. */
function idOf(provider: string, name: string): string {
  return createHash('sha256').update(`${provider}\0${name}`).digest('base64url').slice(0, 16);
}
