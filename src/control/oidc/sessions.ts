import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type SessionRecord, sessionId } from '../../services/sessions/session-record.js';
import type { RecordStore } from '../../services/store/record-store.js';
import { inTurns } from './turns.js';

/** What only the primary needs to know beside what workers read. */
export interface StoredSession extends SessionRecord {
  /** When its tokens came. */
  readonly tokensAt: number;
  /** Begun so far. */
  readonly renewals?: number;
  /** Of a replaced session: the cookie's new value, sealed with the old one. */
  readonly successor?: string;
}

/** Until when a session that is used now lives, if it is not used again. */
export interface Lifetime {
  readonly idle: number;
}

/** Between two notes that a session was used. */
const SEEN_EVERY_MS = 60_000;
/** An index entry is written before its session: one without is an orphan only after this time. */
const ORPHAN_AFTER_MS = 60_000;
/** Records looked at before the event loop gets a turn. */
const LOOKED_PER_TURN = 500;

/** Sessions in the store, and the index that knows them by user. */
export class Sessions {
  readonly #store: RecordStore;
  readonly #now: () => number;

  constructor(store: RecordStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  get(id: string): StoredSession | undefined {
    return this.#store.get<StoredSession>('session', id);
  }

  /**
   * Notes that a renewal begins, which is what makes sure that nothing another machine has written is missed: resolves
   * with the session as it is everywhere. Rejects when the store cannot be written, before anything is spent.
   */
  async claim(id: string): Promise<StoredSession | undefined> {
    return await this.#store.update<StoredSession>('session', id, (now) =>
      now === undefined || now.replacedAt !== undefined
        ? undefined
        : { ...now, renewals: (now.renewals ?? 0) + 1 },
    );
  }

  /** What other machines have stored is here, too. Rejects when it cannot be had. */
  catchUp(): Promise<void> {
    return this.#store.catchUp();
  }

  /** Stores it under a new id; resolves with the cookie's value. */
  async create(session: StoredSession): Promise<string> {
    const sid = randomBytes(32).toString('base64url');
    const id = sessionId(sid);
    await this.#store.put('user-session', indexId(session, id), { at: this.#now() });
    await this.#store.put('session', id, session);
    return sid;
  }

  /** Resolves with what is stored then: undefined when the session ended meanwhile. */
  async change(id: string, changes: Partial<StoredSession>): Promise<StoredSession | undefined> {
    return await this.#store.update<StoredSession>('session', id, (now) =>
      now === undefined || now.replacedAt !== undefined ? undefined : { ...now, ...changes },
    );
  }

  async remove(id: string, session: StoredSession): Promise<boolean> {
    const was = await this.#store.remove('session', id);
    await this.#store.remove('user-session', indexId(session, id));
    return was;
  }

  /** A session and all that it replaced or that replaced it. Resolves with how many were alive. */
  async removeFamily({ provider, user, family }: StoredSession): Promise<number> {
    return await this.#removeAll(provider, user, (session) => session.family === family);
  }

  async removeUser(provider: string, user: string): Promise<number> {
    return await this.#removeAll(provider, user, () => true);
  }

  /** They were used. */
  async seen(ids: readonly string[], lifetimeOf: (provider: string) => Lifetime | null): Promise<void> {
    const now = this.#now();
    await inTurns(ids, async (id) => {
      const session = this.get(id);
      const lifetime = session === undefined ? null : lifetimeOf(session.provider);
      if (session === undefined || lifetime === null || !isAlive(session, now)) return;
      // A session that may rest for seconds only is noted more often.
      if (now - session.lastSeenAt < Math.min(SEEN_EVERY_MS, lifetime.idle / 4)) return;
      await this.change(id, usedAt(session, now, lifetime));
    });
  }

  /** Removes what has ended. */
  async sweep(): Promise<void> {
    const now = this.#now();
    const ended: [id: string, session: StoredSession][] = [];
    const orphans: string[] = [];
    let looked = 0;
    for (const [id, session] of this.#store.list<StoredSession>('session')) {
      if (hasEnded(session, now)) ended.push([id, session]);
      if (++looked % LOOKED_PER_TURN === 0) await nextTurn();
    }
    await inTurns(ended, ([id, session]) => this.remove(id, session));
    for (const [id, { at }] of this.#store.list<{ at: number }>('user-session')) {
      if (now - at > ORPHAN_AFTER_MS && this.get(sessionOf(id)) === undefined) orphans.push(id);
      if (++looked % LOOKED_PER_TURN === 0) await nextTurn();
    }
    await inTurns(orphans, (id) => this.#store.remove('user-session', id));
  }

  async #removeAll(
    provider: string,
    user: string,
    which: (session: StoredSession) => boolean,
  ): Promise<number> {
    let alive = 0;
    // Collected first: the list and its records change under our hands.
    const entries = [...this.#store.list('user-session', `${provider}:${user}:`)];
    await inTurns(entries, async ([entry]) => {
      const id = sessionOf(entry);
      const session = this.get(id);
      // The user "a" and the user "a:b" begin alike.
      if (session === undefined || session.provider !== provider || session.user !== user) return;
      if (!which(session)) return;
      const counts = isAlive(session, this.#now());
      if ((await this.remove(id, session)) && counts) alive++;
    });
    return alive;
  }
}

/** It is the session of somebody: neither over nor replaced. */
export function isAlive(session: SessionRecord, now: number): boolean {
  return session.replacedAt === undefined && !hasEnded(session, now);
}

/** A replaced one is kept to the last: who uses it then is not the one it was for. */
export function hasEnded({ absoluteUntil, idleUntil, replacedAt }: SessionRecord, now: number): boolean {
  return now >= absoluteUntil || (replacedAt === undefined && now >= idleUntil);
}

export function usedAt({ absoluteUntil }: SessionRecord, now: number, { idle }: Lifetime) {
  return { lastSeenAt: now, idleUntil: Math.min(now + idle, absoluteUntil) };
}

function indexId({ provider, user }: StoredSession, id: string): string {
  return `${provider}:${user}:${id}`;
}

function sessionOf(indexId: string): string {
  return indexId.slice(indexId.lastIndexOf(':') + 1);
}
