/** The clients of channels of a worker: let in, looked after, and sent away in order when it leaves. */
import { BAD_CHANNELS, CHANNEL_FORBIDDEN, METHOD_NOT_ALLOWED, NO_EVENTS } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import { answerOwn, refuse } from '../../listen/own-answer.js';
import type { Broadcast, ChannelNews } from '../../services/channels/messages.js';
import { decodeParameter } from '../../template.js';
import { ABNORMAL, SERVICE_RESTART } from '../close-code.js';
import { offeredProtocols } from '../handshake.js';
import type { KeeperEvents } from '../keeper.js';
import { AudienceIndex } from './audience.js';
import { EventSession, positionsIn } from './event-session.js';
import type { HubCounts } from './hub/counts.js';
import { ChannelHub, type HubEnv } from './hub/hub.js';
import type { WorkerPresence } from './presence/worker-presence.js';
import type { ChannelRules } from './rules.js';
import type { ChannelSession, SessionOwner } from './session.js';
import { SocketSession } from './socket-session.js';
import { broadcastText } from './texts.js';

/** How often clocks are looked at. */
const LOOK_EVERY_MS = 500;
/** How often some are closed while draining. */
const DRAIN_STEP_MS = 20;
/** Each makes the id of every event longer. */
const MOST_CHANNELS_OF_A_STREAM = 50;

/** What clients of channels have done since the report before; `sockets` and `streams` are those of now. */
export interface ChannelCounts extends HubCounts {
  readonly sockets: number;
  readonly streams: number;
  readonly opened: number;
  readonly messagesIn: number;
  /** Close codes of sockets, 1006 for those that were cut. */
  readonly closed: Readonly<Record<number, number>>;
}

export class ChannelKeeper implements SessionOwner {
  presence: WorkerPresence | null = null;
  readonly #events: KeeperEvents;
  readonly #hub: ChannelHub;
  readonly #clients = new AudienceIndex();
  /** `performance.now()` of the last end: its close frame may still be on its way. */
  lastEndAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #streams = 0;
  #opened = 0;
  #messagesIn = 0;
  #closed: Record<number, number> = {};

  constructor(events: KeeperEvents, env: HubEnv) {
    this.#events = events;
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
    this.#opened++;
    // Browsers give up a socket when none of the subprotocols they offer is chosen.
    const socket = x.client.accept(offeredProtocols(x)[0] ?? '', session);
    if (socket === null) this.#clients.delete(session);
    else session.start(socket);
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
    this.#streams++;
    session.start();
  }

  #turnAway(x: Exchange, failure: typeof BAD_CHANNELS): void {
    x.acceptedAt = 0;
    refuse(x, failure);
  }

  #add(session: ChannelSession): void {
    this.#clients.add(session);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  onSessionEnd(session: ChannelSession, code: number): void {
    if (!this.#clients.delete(session)) return;
    this.#messagesIn += session.messagesIn;
    const { x } = session;
    if (!session.native) {
      this.#streams--;
      if (code !== ABNORMAL) x.closeCode = code;
      return; // the end of the answer is the end of the exchange
    }
    this.#closed[code] = (this.#closed[code] ?? 0) + 1;
    this.lastEndAt = performance.now();
    x.closeCode = code;
    this.#events.onSocketEnd(x);
  }

  onCut(x: Exchange): void {
    this.#events.onSocketEnd(x);
  }

  // what others want -----------------------------------------------------------------------------------------------

  take(news: readonly ChannelNews[]): void {
    this.#hub.take(news);
  }

  /** The number of clients here that it is for. */
  broadcast({ to, data }: Broadcast): number {
    const text = broadcastText(data);
    let reached = 0;
    for (const session of [...this.#clients.find(to)]) {
      session.broadcast(text);
      reached++;
    }
    return reached;
  }

  /** Routes have other rules now, or are gone. */
  adopt(rules: ReadonlyMap<string, ChannelRules>): void {
    for (const session of [...this.#clients.all]) {
      const own = rules.get(session.x.route?.name ?? '');
      if (own === undefined) session.end(SERVICE_RESTART, 'the route is gone');
      else session.recheck(own);
    }
  }

  /** Sends all away, spread over this time, so that clients do not come back all at once. */
  drain(windowMs: number): void {
    const waiting = shuffled([...this.#clients.all]);
    const perStep = Math.ceil(waiting.length / Math.max(1, windowMs / DRAIN_STEP_MS));
    const step = () => {
      for (const session of waiting.splice(0, perStep))
        session.end(SERVICE_RESTART, 'the gateway restarts: connect again');
      if (waiting.length > 0) setTimeout(step, DRAIN_STEP_MS);
    };
    step();
  }

  report(): ChannelCounts {
    let messagesIn = this.#messagesIn;
    for (const session of this.#clients.all) {
      messagesIn += session.messagesIn;
      session.messagesIn = 0;
    }
    const counts = {
      ...this.#hub.report(),
      sockets: this.#clients.all.size - this.#streams,
      streams: this.#streams,
      opened: this.#opened,
      messagesIn,
      closed: this.#closed,
    };
    this.#opened = 0;
    this.#messagesIn = 0;
    this.#closed = {};
    return counts;
  }

  #look(): void {
    const now = performance.now();
    const wall = Date.now();
    this.#hub.look(now);
    for (const session of [...this.#clients.all]) session.check(now, wall);
    if (this.#clients.all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Also programs that do not say what they want, such as curl. */
function acceptsEvents(x: Exchange): boolean {
  const accept = x.header('accept');
  return accept === undefined || /text\/event-stream|text\/\*|\*\/\*/i.test(accept);
}

function shuffled<T>(list: T[]): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
