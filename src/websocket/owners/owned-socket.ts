/** An open WebSocket, or a stream of events of channels, as those see it who must find it again: operators, revocations, drains, broadcasts. */
import type { Exchange } from '../../exchange.js';

export interface OwnedSocket {
  /** Whose it is: identity, route, client. Its identity changes through the index alone (`SocketIndex.identify`). */
  readonly x: Exchange;
  /** `proxy`: a service is at the other end; `channels`: the gateway itself; `events`: so it is, and this is no WebSocket. */
  readonly kind: 'proxy' | 'channels' | 'events';
  /** Given by the index, from 1; 0: it is in none. */
  number: number;
  /** `performance.now()`. */
  readonly openedAt: number;
  /** Since it was opened: from the client, and to it. */
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Bytes that the client has not taken yet. */
  readonly waiting: number;
  /** Closes it in order, with a reason of at most 123 bytes. Once it is over this does nothing. */
  end(code: number, reason: string): void;
  /** Looks at the clock, twice a second: ends it when its credentials have expired, for one. `wall` in milliseconds since 1970. */
  check(now: number, wall: number): void;
  /** `x.identity` is another one: the same caller, with other roles or another end. */
  onIdentity?(): void;
}
