/**
 * The open sockets of a worker, found without a search: by number, route, and all that their identities say. Sockets
 * that share nothing are kept without a set of their own: most users have one.
 */
import { randomBytes } from 'node:crypto';
import type { Exchange } from '../../exchange.js';
import type { Identity } from '../../services/identity.js';
import type { OwnedSocket } from './owned-socket.js';

/** What sockets are found by beside their number. */
export const FACETS = ['key', 'session', 'token', 'user', 'consumer', 'role', 'route'] as const;
export type Facet = (typeof FACETS)[number];

export class SocketIndex {
  readonly #prefix: string;
  readonly #all = new Map<number, OwnedSocket>();
  readonly #by: Readonly<Record<Facet, Shelf>> = {
    key: new Shelf(),
    session: new Shelf(),
    token: new Shelf(),
    user: new Shelf(),
    consumer: new Shelf(),
    role: new Shelf(),
    route: new Shelf(),
  };
  #last = 0;

  /** `worker` from 1. */
  constructor(worker: number) {
    // Another life of the same worker, and other machines, have ids of their own.
    this.#prefix = `${worker}-${randomBytes(5).toString('hex')}-`;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Unique over workers, machines and restarts: `WORKER-LIFE-NUMBER`. */
  idOf({ number }: OwnedSocket): string {
    return this.#prefix + number.toString(36);
  }

  /** The number in an id; 0 when the id is not one of this worker's life. */
  numberIn(id: string): number {
    if (!id.startsWith(this.#prefix)) return 0;
    const digits = id.slice(this.#prefix.length);
    return /^[0-9a-z]{1,10}$/.test(digits) ? Number.parseInt(digits, 36) : 0;
  }

  add(socket: OwnedSocket): void {
    socket.number = ++this.#last;
    this.#all.set(socket.number, socket);
    for (const [facet, value] of facetsOf(socket.x)) this.#by[facet].put(value, socket);
  }

  /** False: it was not there. */
  remove(socket: OwnedSocket): boolean {
    if (!this.#all.delete(socket.number)) return false;
    for (const [facet, value] of facetsOf(socket.x)) this.#by[facet].take(value, socket);
    return true;
  }

  /** The same caller is known by another identity from now on. */
  identify(socket: OwnedSocket, identity: Identity): void {
    const { x } = socket;
    if (!this.#all.has(socket.number)) return;
    for (const [facet, value] of facetsOf(x)) this.#by[facet].take(value, socket);
    x.identity = identity;
    for (const [facet, value] of facetsOf(x)) this.#by[facet].put(value, socket);
    socket.onIdentity?.();
  }

  get(number: number): OwnedSocket | undefined {
    return this.#all.get(number);
  }

  /** In the order in which they were opened. Sockets may be ended on the way. */
  all(): Iterable<OwnedSocket> {
    return this.#all.values();
  }

  /** A list of their own: sockets may be ended on the way. In the order in which they were opened. */
  of(facet: Facet, value: string): OwnedSocket[] {
    return this.#by[facet].of(value);
  }
}

/** Under which values a socket is kept. Must say the same as long as the socket is in the index. */
function facetsOf({ identity, route }: Exchange): (readonly [Facet, string])[] {
  const facets: (readonly [Facet, string])[] = [];
  if (route !== null) facets.push(['route', route.name]);
  if (identity === null) return facets;
  for (const role of identity.roles) facets.push(['role', role]);
  for (const { user, consumer, keyId, session, claims } of identity.joined ?? [identity]) {
    if (user !== '') facets.push(['user', user]);
    if (consumer !== '') facets.push(['consumer', consumer]);
    if (keyId !== '') facets.push(['key', keyId]);
    if (session !== undefined) facets.push(['session', session]);
    if (typeof claims.jti === 'string' && claims.jti !== '') facets.push(['token', claims.jti]);
  }
  return facets;
}

/** Sockets by a text. */
class Shelf {
  readonly #places = new Map<string, OwnedSocket | Set<OwnedSocket>>();

  put(value: string, socket: OwnedSocket): void {
    const place = this.#places.get(value);
    if (place === undefined) this.#places.set(value, socket);
    else if (place instanceof Set) place.add(socket);
    else if (place !== socket) this.#places.set(value, new Set([place, socket]));
  }

  take(value: string, socket: OwnedSocket): void {
    const place = this.#places.get(value);
    if (place === socket) this.#places.delete(value);
    else if (place instanceof Set && place.delete(socket) && place.size === 0) this.#places.delete(value);
  }

  of(value: string): OwnedSocket[] {
    const place = this.#places.get(value);
    if (place === undefined) return [];
    return place instanceof Set ? [...place].sort((a, b) => a.number - b.number) : [place];
  }
}
