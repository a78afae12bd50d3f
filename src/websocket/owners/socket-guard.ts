/** Sees to it that open sockets belong to callers who still may have them. */
import { AUTH_UNAVAILABLE, type Failure } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import { isApproved, type Review, type Reviewed } from '../../services/authz/review.js';
import type { Change } from '../../services/store/record-store.js';
import { FORBIDDEN, TOKEN_EXPIRED, TRY_AGAIN_LATER } from '../close-code.js';
import { AuthPace } from './auth-pace.js';
import type { OwnedSocket } from './owned-socket.js';
import type { SocketIndex } from './sockets-by-owner.js';

/** When it cannot be found out whether a caller still may, it is asked again, and for how long. */
const AGAIN_MS = 500;
const MOST_TRIES = 20;
/** When everything may have changed: so many at a time, which leaves room for those who are let in meanwhile. */
const LOOKED_AT_ONCE = 200;
const BETWEEN_LOOKS_MS = 20;
/** New credentials in a row that were not accepted. */
const MOST_REFUSED = 5;

/** What a client is told of its new credentials. */
export type Refreshed =
  | {
      readonly ok: true /** Milliseconds since 1970; Infinity: they do not expire. */;
      readonly expiresAt: number;
    }
  | { readonly ok: false; readonly code: string };

export class SocketGuard {
  readonly #index: SocketIndex;
  readonly #reviewFor: (x: Exchange) => Review | null;
  /** Looked at now; true: something has changed meanwhile. */
  readonly #looking = new Map<OwnedSocket, boolean>();
  readonly #refreshing = new WeakSet<OwnedSocket>();
  readonly #refused = new WeakMap<OwnedSocket, number>();
  readonly #paces = new WeakMap<OwnedSocket, AuthPace>();
  /** `performance.now()` of the last change of records. */
  changedAt = Number.NEGATIVE_INFINITY;

  /** `reviewFor`: by the rules in force; null: the route asks nobody who he is. */
  constructor(index: SocketIndex, reviewFor: (x: Exchange) => Review | null) {
    this.#index = index;
    this.#reviewFor = reviewFor;
  }

  /** Records have changed; null: any of them may have. Whoever else listens has forgotten them when this goes on. */
  changed = (changes: readonly Change[] | null): void => {
    this.changedAt = performance.now();
    if (this.#index.size === 0) return;
    if (changes === null) return queueMicrotask(() => void this.#recheckAll());
    const concerned = new Set<OwnedSocket>();
    for (const change of changes) for (const socket of this.#concernedBy(change)) concerned.add(socket);
    if (concerned.size === 0) return;
    queueMicrotask(() => {
      for (const socket of concerned) this.recheck(socket);
    });
  };

  /** Whether its caller still may, by the credentials it came with. Ends it if not. */
  recheck(socket: OwnedSocket): void {
    if (socket.x.identity === null) return;
    const isLookedAt = this.#looking.has(socket);
    this.#looking.set(socket, isLookedAt);
    if (!isLookedAt) void this.#look(socket, 1).finally(() => this.#looking.delete(socket));
  }

  /** Whether its client may show new credentials now; asked once for each message. */
  mayShow(socket: OwnedSocket): boolean {
    const now = performance.now();
    const pace = this.#paces.get(socket) ?? new AuthPace(now);
    this.#paces.set(socket, pace);
    return pace.take(now, socket.waiting);
  }

  /**
   * The client shows new credentials. Those of somebody else, and those that no longer suffice, end the socket; what is no
   * credential leaves it as it is.
   */
  async refresh(socket: OwnedSocket, credential: string): Promise<Refreshed> {
    const { x } = socket;
    const review = this.#reviewFor(x);
    if (x.identity === null || review === null) return { ok: false, code: 'UNAUTHENTICATED' };
    if (this.#refreshing.has(socket)) return { ok: false, code: 'AUTH_UNDER_WAY' };
    this.#refreshing.add(socket);
    try {
      const reviewed = await review(x, credential).catch(() => UNAVAILABLE);
      if (x.done) return { ok: false, code: 'GONE' };
      if (isApproved(reviewed)) {
        if (reviewed.headers !== null) present(x, reviewed.headers);
        this.#index.identify(socket, reviewed.identity);
        this.#refused.delete(socket);
        return { ok: true, expiresAt: reviewed.identity.expiresAt };
      }
      this.#objectTo(socket, reviewed.failure, reviewed.reason);
      return { ok: false, code: reviewed.failure.code };
    } finally {
      this.#refreshing.delete(socket);
    }
  }

  #objectTo(socket: OwnedSocket, { status }: Failure, reason: string): void {
    if (status === 403) {
      const why = reason === 'caller' ? 'the credentials are of somebody else' : NOT_ALLOWED;
      return socket.end(FORBIDDEN, why);
    }
    if (status === 503) return;
    const refused = (this.#refused.get(socket) ?? 0) + 1;
    this.#refused.set(socket, refused);
    if (refused >= MOST_REFUSED) socket.end(FORBIDDEN, 'too many credentials that are none');
  }

  #concernedBy({ kind, id }: Change): readonly OwnedSocket[] {
    switch (kind) {
      case 'key':
      case 'consumer':
      case 'session':
        return this.#index.of(kind, id);
      case 'revocation':
        return this.#concernedByRevocation(id);
      default:
        return NONE;
    }
  }

  /** `user:PROVIDER:USER` or `jti:PROVIDER:JTI`; users may have colons in them, providers have none. */
  #concernedByRevocation(id: string): readonly OwnedSocket[] {
    const [what = '', provider = ''] = id.split(':', 2);
    const whose = id.slice(what.length + provider.length + 2);
    return this.#index.of(what === 'jti' ? 'token' : 'user', whose);
  }

  async #recheckAll(): Promise<void> {
    let looked = 0;
    for (const socket of [...this.#index.all()]) {
      this.recheck(socket);
      if (++looked % LOOKED_AT_ONCE === 0) await sleep(BETWEEN_LOOKS_MS);
    }
  }

  async #look(socket: OwnedSocket, tries: number): Promise<void> {
    const { x } = socket;
    const review = this.#reviewFor(x);
    if (review === null) return;
    this.#looking.set(socket, false);
    const identity = x.identity;
    const reviewed = await review(x, null).catch(() => UNAVAILABLE);
    if (x.done) return;
    const isOutdated = this.#looking.get(socket) === true || x.identity !== identity;
    if (isOutdated) return await this.#look(socket, tries);
    if (isApproved(reviewed)) {
      if (reviewed.identity !== identity) this.#index.identify(socket, reviewed.identity);
      return;
    }
    if (reviewed.failure.status === 503) {
      if (tries >= MOST_TRIES) return socket.end(TRY_AGAIN_LATER, 'whether you may cannot be found out');
      await sleep(AGAIN_MS * (0.5 + Math.random()));
      return await this.#look(socket, tries + 1);
    }
    if (reviewed.reason === 'expired') socket.end(TOKEN_EXPIRED, 'the credentials have expired');
    else
      socket.end(FORBIDDEN, reviewed.failure.status === 403 ? NOT_ALLOWED : 'the credentials were revoked');
  }
}

const UNAVAILABLE: Reviewed = { failure: AUTH_UNAVAILABLE, reason: '' };
const NONE: readonly OwnedSocket[] = [];
const NOT_ALLOWED = 'the caller may not be here any more';

/** Later looks at the caller take the new credential. */
function present(x: Exchange, headers: readonly string[]): void {
  x.headers = headers;
  x.handshake = false;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
