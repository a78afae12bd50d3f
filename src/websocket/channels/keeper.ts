/** The clients of channels of a worker: let in, looked after, and sent away in order when it leaves. */
import { BAD_CHANNELS, CHANNEL_FORBIDDEN, METHOD_NOT_ALLOWED, NO_EVENTS } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import { answerOwn, refuse } from '../../listen/own-answer.js';
import type { Audience, Broadcast, ChannelNews } from '../../services/channels/messages.js';
import { decodeParameter } from '../../template.js';
import { SERVICE_RESTART } from '../close-code.js';
import { offeredProtocols } from '../handshake.js';
import type { OwnedSocket } from '../owners/owned-socket.js';
import type { SocketOwners } from '../owners/socket-owners.js';
import { EventSession, positionsIn } from './event-session.js';
import type { HubCounts } from './hub/counts.js';
import { ChannelHub, type HubEnv } from './hub/hub.js';
import type { WorkerPresence } from './presence/worker-presence.js';
import type { ChannelRules } from './rules.js';
import { ChannelSession, type SessionKeeper } from './session.js';
import { SocketSession } from './socket-session.js';
import { broadcastText } from './texts.js';

/** How often it is looked who is slow, and what is too old. */
const LOOK_EVERY_MS = 500;
/** Each makes the id of every event longer. */
const MOST_CHANNELS_OF_A_STREAM = 50;

/** What clients of channels have done since the report before; `sockets` and `streams` are those of now. */
export interface ChannelCounts extends HubCounts {
  readonly sockets: number;
  readonly streams: number;
}

export class ChannelKeeper implements SessionKeeper {
  readonly owners: SocketOwners;
  presence: WorkerPresence | null = null;
  readonly #hub: ChannelHub;
  #timer: NodeJS.Timeout | undefined;

  constructor(owners: SocketOwners, env: HubEnv) {
    this.owners = owners;
    this.#hub = new ChannelHub(env);
  }

  /** All filters have let it pass. */
  serve(x: Exchange, rules: ChannelRules): void {
    if (x.dialling) return this.#accept(x, rules);
    if (x.method !== 'GET' && x.method !== 'HEAD') {
      x.allow = ['GET', 'HEAD'];
      return refuse(x, METHOD_NOT_ALLOWED);
    }
    if (rules.options.events === null || !acceptsEvents(x)) return refuse(x, NO_EVENTS);
    this.#stream(x, rules);
  }

  #accept(x: Exchange, rules: ChannelRules): void {
    x.status = 101;
    x.answerHeaders = ['x-request-id', x.id];
    x.route?.pipeline.onResponse?.(x);
    x.acceptedAt = performance.now();
    const session = new SocketSession(x, rules, this.#hub, this);
    this.#add(session);
    // Browsers give up a socket when none of the subprotocols they offer is chosen.
    const socket = x.client.accept(offeredProtocols(x)[0] ?? '', session);
    if (socket === null) return this.owners.forget(session);
    session.start(socket);
    x.answerHeaders = []; // they have been sent, and a socket lives long
    this.owners.opened(session);
  }

  #stream(x: Exchange, rules: ChannelRules): void {
    const parameters = x.query.split('&').map((pair) => pair.split('='));
    const valuesOf = (wanted: string) =>
      parameters.flatMap(([name, value = '']) => (name === wanted ? [decodeParameter(value)] : []));
    const names = valuesOf('channel');
    const since = positionsIn(x.header('last-event-id') ?? valuesOf('since')[0] ?? '', names.length);
    x.acceptedAt = performance.now();
    const session = new EventSession(x, rules, this.#hub, this, names, since);
    session.wantsPresence = valuesOf('presence')[0] === 'true';
    const most = Math.min(rules.options.maxSubscriptions, MOST_CHANNELS_OF_A_STREAM);
    if (names.length === 0) x.detail = 'Say which channels: ?channel=NAME, several times for several.';
    else if (names.length > most) x.detail = `A stream has at most ${most} channels.`;
    else if (new Set(names).size < names.length) x.detail = 'A channel is named twice.';
    if (x.detail !== '') return this.#turnAway(x, BAD_CHANNELS);
    for (const name of names) {
      const fault = session.whyNot(name);
      if (fault === null) continue;
      x.detail = `${fault[1].charAt(0).toUpperCase()}${fault[1].slice(1)}.`;
      return this.#turnAway(x, fault[0] === 'CHANNEL_FORBIDDEN' ? CHANNEL_FORBIDDEN : BAD_CHANNELS);
    }
    const headers = ['content-type', 'text/event-stream', 'cache-control', 'no-store'];
    if (x.method === 'HEAD') return answerOwn(x, { status: 200, headers, body: '' });
    x.status = 200;
    x.answerHeaders = ['x-request-id', x.id, ...headers, 'x-accel-buffering', 'no'];
    x.route?.pipeline.onResponse?.(x);
    x.attempt = session;
    x.body?.discard();
    this.#add(session);
    session.start();
    this.owners.opened(session);
  }

  #turnAway(x: Exchange, failure: typeof BAD_CHANNELS): void {
    x.acceptedAt = 0;
    refuse(x, failure);
  }

  #add(session: ChannelSession): void {
    this.owners.add(session);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  /** Those of all sockets that are here, or a facet of them. */
  #sessions(sockets: Iterable<OwnedSocket>): ChannelSession[] {
    return [...sockets].filter((socket) => socket instanceof ChannelSession);
  }

  // what others want -----------------------------------------------------------------------------------------------

  take(news: readonly ChannelNews[]): void {
    this.#hub.take(news);
  }

  /** The number of clients here that it is for. */
  broadcast({ to, data }: Broadcast): number {
    const text = broadcastText(data);
    const sessions = this.#sessions(this.#audience(to));
    for (const session of sessions) session.broadcast(text);
    return sessions.length;
  }

  #audience(to: Audience): Iterable<OwnedSocket> {
    const { index } = this.owners;
    if ('user' in to) return index.of('user', to.user);
    if ('role' in to) return index.of('role', to.role);
    return 'route' in to ? index.of('route', to.route) : index.all();
  }

  /** Routes have other rules now. Those that are gone see to their sockets themselves. */
  adopt(rules: ReadonlyMap<string, ChannelRules>): void {
    for (const session of this.#sessions(this.owners.index.all())) {
      const own = rules.get(session.x.route?.name ?? '');
      if (own === undefined) continue;
      const open = session.kind === 'channels' ? own.websocket !== null : own.options.events !== null;
      if (open) session.recheck(own);
      else session.end(SERVICE_RESTART, 'the route has changed: connect again');
    }
  }

  report(): ChannelCounts {
    let sockets = 0;
    let streams = 0;
    for (const { kind } of this.owners.index.all()) {
      if (kind === 'channels') sockets++;
      else if (kind === 'events') streams++;
    }
    return { ...this.#hub.report(), sockets, streams };
  }

  #look(): void {
    if (this.#hub.look(performance.now()) || this.owners.index.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const EVENT_RANGES = ['*/*', 'text/*', 'text/event-stream'];

/** Also programs that do not say what they want, such as curl. The narrowest range counts (RFC 9110 §12.5.1). */
function acceptsEvents(x: Exchange): boolean {
  let narrowest = -1;
  let accepted = false;
  for (const one of (x.header('accept') ?? '*/*').split(',')) {
    const [range = '', ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    const at = EVENT_RANGES.indexOf(range);
    if (at <= narrowest) continue;
    narrowest = at;
    accepted = !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  }
  return accepted;
}
