/** Renewing what is behind a session: its tokens, and if wished its id. */
import { hkdfSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionRefresh } from '../../services/primary-answers.js';
import { REPLACED_GRACE_MS, sessionId } from '../../services/sessions/session-record.js';
import type { RecordStore, Release } from '../../services/store/record-store.js';
import { seal, unseal } from './sealed.js';
import { hasEnded, type Sessions, type StoredSession, usedAt } from './sessions.js';
import { keptTokens, revokeTokens, type Site } from './site.js';
import { troubleOf } from './trouble.js';

/** Tokens that are younger need no renewal: somebody else has just renewed them. */
const YOUNG_MS = 5000;
const LOCK_MS = 20_000;
const LOCK_WITHIN_MS = 4000;
const LOCK_POLL_MS = 25;
const MOST_SUCCESSORS = 8;
const MOST_UNSTORED = 10_000;
const SUCCESSOR = 'sluice session successor';

export interface RenewalOptions {
  readonly store: RecordStore;
  readonly sessions: Sessions;
  readonly now: () => number;
  readonly audit: (event: Record<string, unknown>) => void;
}

interface Current {
  readonly sid: string;
  readonly id: string;
  readonly session: StoredSession;
}

type Ended = Extract<SessionRefresh, { result: 'ended' | 'unavailable' }>;
type Renewed = ReturnType<typeof keptTokens>;

export class Renewals {
  readonly #options: RenewalOptions;
  /** By session: one renewal for all who ask on this machine. */
  readonly #underWay = new Map<
    string,
    { readonly rotate: boolean; readonly answer: Promise<SessionRefresh> }
  >();
  /** Tokens that came and could not be stored: the ones in the store are spent. */
  readonly #unstored = new Map<string, Renewed>();

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async renew(site: Site, sid: string, rotate: boolean): Promise<SessionRefresh> {
    try {
      for (;;) {
        const current = await this.current(site, sid);
        if ('result' in current) return current;
        // Who comes with an id that was just replaced gets the new one, not a third.
        const rotates = rotate && current.sid === sid;
        const other = this.#underWay.get(current.id);
        if (other === undefined) return await this.#start(site, current, rotates);
        const answer = await other.answer;
        if (other.rotate || !rotates) return answer;
      }
    } catch (error) {
      return { result: 'unavailable', why: (error as Error).message };
    }
  }

  /** The session behind a cookie, or behind the one that took its place. Ends them all when it is used too late. */
  async current(site: Site, sid: string): Promise<Current | Ended> {
    const { sessions, now, audit } = this.#options;
    let at = sid;
    for (let step = 0; step < MOST_SUCCESSORS; step++) {
      const id = sessionId(at);
      const session = sessions.get(id);
      if (session === undefined || session.provider !== site.name) return UNKNOWN;
      if (hasEnded(session, now())) {
        await sessions.remove(id, session);
        return EXPIRED;
      }
      const { replacedAt, successor, user } = session;
      if (replacedAt === undefined) return { sid: at, id, session };
      const next = successor === undefined ? null : unseal(successor, successorKey(at), SUCCESSOR);
      if (now() >= replacedAt + REPLACED_GRACE_MS || next === null) {
        const ended = await sessions.removeFamily(session);
        audit({ event: 'session.reuse', provider: site.name, user, ended });
        return REUSED;
      }
      at = next;
    }
    return UNKNOWN;
  }

  async #start(site: Site, current: Current, rotate: boolean): Promise<SessionRefresh> {
    const answer = this.#exclusively(site, current, rotate)
      .catch((error: Error): SessionRefresh => ({ result: 'unavailable', why: error.message }))
      .finally(() => this.#underWay.delete(current.id));
    this.#underWay.set(current.id, { rotate, answer });
    return await answer;
  }

  /** Another machine may be at it: the lock is for all of them, and what it did is looked at first. */
  async #exclusively(site: Site, { sid, id }: Current, rotate: boolean): Promise<SessionRefresh> {
    const release = await this.#lock(`session:${id}`);
    try {
      const session = await this.#options.sessions.claim(id);
      if (session === undefined) return UNKNOWN;
      if (session.replacedAt !== undefined) return await this.#replacedElsewhere(site, sid);
      return await this.#renewTokens(site, { sid, id, session }, rotate);
    } finally {
      // A lock that is not given back runs out.
      release().catch(() => {});
    }
  }

  async #replacedElsewhere(site: Site, sid: string): Promise<SessionRefresh> {
    const current = await this.current(site, sid);
    return 'result' in current ? current : renewed(current.sid, current.session);
  }

  async #renewTokens(site: Site, current: Current, rotate: boolean): Promise<SessionRefresh> {
    const { now } = this.#options;
    const { id, session } = current;
    let tokens: Renewed | null = this.#unstored.get(id) ?? null;
    if (tokens === null && session.refreshToken !== null && now() - session.tokensAt >= YOUNG_MS) {
      const outcome = await this.#ask(site, id, session, session.refreshToken);
      if ('result' in outcome) return outcome;
      tokens = outcome;
      this.#hold(id, tokens);
    }
    const changes = { ...tokens, ...usedAt(session, now(), site.config) };
    const answer = rotate
      ? await this.#rotate(current, changes)
      : stored(current.sid, await this.#options.sessions.change(id, changes));
    this.#unstored.delete(id);
    // It ended while we asked, and nobody else knows these tokens.
    if (answer.result === 'ended' && tokens !== null) revokeTokens(site, tokens);
    return answer;
  }

  async #ask(
    { name, client, availability }: Site,
    id: string,
    session: StoredSession,
    refreshToken: string,
  ): Promise<Renewed | Ended> {
    const { sessions, now, audit } = this.#options;
    if (availability.quiet)
      return { result: 'unavailable', why: 'the identity provider did not answer just now' };
    try {
      const tokens = await client.renew(refreshToken);
      availability.answered();
      const { claims } = tokens;
      if (claims === null || claims.sub === session.claims.sub) return keptTokens(tokens, session, now());
      await sessions.removeFamily(session);
      audit({
        event: 'session.ended',
        provider: name,
        user: session.user,
        why: 'the ID token is of somebody else',
      });
      return { result: 'ended', why: 'the ID token is of somebody else' };
    } catch (error) {
      const { result, code, why } = troubleOf(error);
      if (code === 'invalid_grant') {
        await sessions.removeFamily(session);
        audit({ event: 'session.ended', provider: name, user: session.user, why });
        return { result: 'ended', why };
      }
      // Any other refusal is not about this session.
      if (result === 'unavailable') availability.failed(why);
      return { result: 'unavailable', why };
    }
  }

  #hold(id: string, tokens: Renewed): void {
    const [oldest] = this.#unstored.keys();
    if (this.#unstored.size >= MOST_UNSTORED) this.#unstored.delete(oldest);
    this.#unstored.set(id, tokens);
  }

  /** The new one is there before the old one leads to it. */
  async #rotate({ sid, id, session }: Current, changes: Partial<StoredSession>): Promise<SessionRefresh> {
    const { sessions, now } = this.#options;
    const next = { ...session, ...changes };
    const nextSid = await sessions.create(next);
    const nextId = sessionId(nextSid);
    const old = await sessions.change(id, {
      refreshToken: null,
      idToken: '',
      replacedBy: nextId,
      replacedAt: now(),
      successor: seal(nextSid, successorKey(sid), SUCCESSOR),
    });
    if (old?.replacedBy === nextId) return renewed(nextSid, next);
    await sessions.remove(nextId, next);
    return UNKNOWN;
  }

  async #lock(name: string): Promise<Release> {
    const deadline = performance.now() + LOCK_WITHIN_MS;
    for (;;) {
      const release = await this.#options.store.lock(name, LOCK_MS);
      if (release !== null) return release;
      if (performance.now() > deadline)
        throw new Error('another machine renews this session, and does not end');
      await sleep(LOCK_POLL_MS);
    }
  }
}

const UNKNOWN: Ended = { result: 'ended', why: 'there is no such session' };
const EXPIRED: Ended = { result: 'ended', why: 'the session has expired' };
const REUSED: Ended = { result: 'ended', why: 'the session was replaced, and its old id used again' };

function renewed(sid: string, { idleUntil, absoluteUntil }: StoredSession): SessionRefresh {
  return { result: 'ok', sid, idleUntil, absoluteUntil };
}

function stored(sid: string, session: StoredSession | undefined): SessionRefresh {
  return session === undefined || session.replacedAt !== undefined ? UNKNOWN : renewed(sid, session);
}

/** Only who has the cookie can learn the next one's value: the store alone does not tell. */
function successorKey(sid: string): Buffer {
  return Buffer.from(hkdfSync('sha256', sid, '', SUCCESSOR, 32));
}
