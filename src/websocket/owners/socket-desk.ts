/** What operators are told of the sockets of a worker, and what they may do with them. */
import type { SocketCalls, SocketFilter, SocketView } from '../../bus/socket-calls.js';
import { partsOf } from '../../services/authz/review.js';
import type { OwnedSocket } from './owned-socket.js';
import { FACETS, type SocketIndex } from './sockets-by-owner.js';

export class SocketDesk {
  readonly #index: SocketIndex;
  readonly #worker: number;

  constructor(index: SocketIndex, worker: number) {
    this.#index = index;
    this.#worker = worker;
  }

  list({ filter, after, limit }: SocketCalls['listSockets'][0]): SocketView[] {
    const from = after === '' ? 0 : this.#index.numberIn(after);
    const views: SocketView[] = [];
    for (const socket of this.#fitting(filter)) {
      if (socket.number <= from) continue;
      if (views.length === limit) break;
      views.push(this.#view(socket));
    }
    return views;
  }

  close({ filter, code, reason }: SocketCalls['closeSockets'][0]): number {
    const fitting = [...this.#fitting(filter)];
    for (const socket of fitting) socket.end(code, reason);
    return fitting.length;
  }

  *#fitting(filter: SocketFilter): Iterable<OwnedSocket> {
    for (const socket of this.#candidates(filter)) if (fits(socket, filter)) yield socket;
  }

  /** By the facet of the filter that tells most. */
  #candidates(filter: SocketFilter): Iterable<OwnedSocket> {
    if (filter.id !== undefined) {
      const socket = this.#index.get(this.#index.numberIn(filter.id));
      return socket === undefined ? [] : [socket];
    }
    for (const facet of FACETS) {
      const value = filter[facet as keyof SocketFilter];
      if (value !== undefined) return this.#index.of(facet, value);
    }
    return this.#index.all();
  }

  #view(socket: OwnedSocket): SocketView {
    const { x, kind, messagesIn, messagesOut, waiting, openedAt } = socket;
    const { identity, route } = x;
    return {
      id: this.#index.idOf(socket),
      worker: this.#worker,
      kind,
      route: route?.name ?? '',
      service: x.service?.name ?? '',
      endpoint: x.endpoint,
      client: x.clientIp,
      path: x.path,
      requestId: x.id,
      provider: identity?.provider ?? '',
      user: identity?.user ?? '',
      consumer: identity?.consumer ?? '',
      key: identity?.keyId ?? '',
      roles: identity?.roles ?? [],
      expiresAt: timeText(identity?.expiresAt ?? Number.POSITIVE_INFINITY),
      openedAt: timeText(performance.timeOrigin + openedAt) as string,
      messagesIn,
      messagesOut,
      bytesIn: x.bytesIn,
      bytesOut: x.bytesOut,
      waiting,
    };
  }
}

function fits({ x }: OwnedSocket, { user, provider, consumer, key, role, route, ip }: SocketFilter): boolean {
  if (route !== undefined && x.route?.name !== route) return false;
  if (ip !== undefined && x.clientIp !== ip) return false;
  if (x.identity === null) return [user, provider, consumer, key, role].every((one) => one === undefined);
  if (role !== undefined && !x.identity.roles.includes(role)) return false;
  return partsOf(x.identity).some(
    (part) =>
      (user === undefined || part.user === user) &&
      (provider === undefined || part.provider === provider) &&
      (consumer === undefined || part.consumer === consumer) &&
      (key === undefined || part.keyId === key),
  );
}

/** RFC 3339; null: never. */
export function timeText(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
