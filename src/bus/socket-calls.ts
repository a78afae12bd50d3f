/** What the primary asks workers about their open WebSockets. */

/** All that is given must hold. An empty one is every socket. */
export interface SocketFilter {
  readonly id?: string;
  readonly user?: string;
  readonly provider?: string;
  readonly consumer?: string;
  /** Id of an API key. */
  readonly key?: string;
  readonly role?: string;
  readonly route?: string;
  /** The client's address. */
  readonly ip?: string;
}

/** An open socket, as operators see it. Times are RFC 3339. */
export interface SocketView {
  readonly id: string;
  readonly worker: number;
  readonly kind: 'proxy' | 'channels' | 'events';
  readonly route: string;
  /** Empty: the gateway itself is at the other end. */
  readonly service: string;
  readonly endpoint: string;
  readonly client: string;
  readonly path: string;
  readonly requestId: string;
  /** Empty as far as the caller has not shown it. */
  readonly provider: string;
  readonly user: string;
  readonly consumer: string;
  readonly key: string;
  readonly roles: readonly string[];
  /** null: the credentials do not expire. */
  readonly expiresAt: string | null;
  readonly openedAt: string;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that the client has not taken yet. */
  readonly waiting: number;
}

export interface SocketCalls {
  /** At most `limit` of them, in the order in which they were opened, from behind `after` (an id; empty: the first). */
  listSockets: [{ filter: SocketFilter; after: string; limit: number }, SocketView[]];
  /** Closes all that fit; answers with how many. */
  closeSockets: [{ filter: SocketFilter; code: number; reason: string }, number];
}
