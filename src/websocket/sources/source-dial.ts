/**
 * One connection to a service that is the source of a channel: an endpoint by the service's balancer, a WebSocket or a stream
 * of events there, and the texts that come. Health and breakers see it like any request. It ends once.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Failure } from '../../errors.js';
import { type Client, type ClientSocket, Exchange } from '../../exchange.js';
import type { SourceSpec } from '../../services/channels/sources.js';
import { Attempt } from '../../upstream/attempt.js';
import type { Deadlines } from '../../upstream/deadlines.js';
import type { Conductor } from '../../upstream/forwarder.js';
import type { Service } from '../../upstream/service.js';
import { takeServiceHalf } from '../handshake.js';
import { ServiceLeg } from '../service-leg.js';
import { EventStream } from './event-stream.js';

export interface DialEvents {
  onOpened(): void;
  /** null: it was neither text nor UTF-8. `id` of the event; empty: there is none. */
  onText(text: string | null, id: string): void;
  /** Once. */
  onEnded(reason: string): void;
}

/** A source that says nothing by itself is asked after this part of the time it may be silent. */
const PING_AFTER = 0.4;
const GOING_AWAY = 1001;

export class SourceDial implements Conductor, Client {
  readonly upgradable = false;
  readonly begun = false;
  readonly #spec: SourceSpec;
  readonly #lastId: string;
  readonly #events: DialEvents;
  readonly #deadlines: Deadlines;
  #attempt: Attempt | null = null;
  #leg: ServiceLeg | null = null;
  #stream: EventStream | null = null;
  #heardAt = 0;
  #pinged = false;
  #paused = false;
  #over = false;

  constructor(spec: SourceSpec, lastId: string, events: DialEvents, deadlines: Deadlines) {
    this.#spec = spec;
    this.#lastId = lastId;
    this.#events = events;
    this.#deadlines = deadlines;
  }

  start(service: Service): void {
    const x = new Exchange(performance.now());
    const { target, type, idleMs } = this.#spec;
    x.client = this;
    x.method = 'GET';
    x.path = target.split('?', 1)[0] as string;
    x.dialling = type === 'websocket';
    x.service = service;
    const endpoint = service.pick(x, null);
    if (endpoint === null) return this.#end('no endpoint may be chosen');
    x.headers = this.#headers();
    x.forwardHeaders = ['host', endpoint.authority, 'user-agent', 'sluice', ...x.headers];
    x.attempts = 1;
    x.endpoint = endpoint.url;
    // A stream has no end in time, and is silent as long as its own option says.
    const timeouts = { ...service.timeouts, idle: idleMs, total: 0 };
    const attempt = new Attempt(x, target, endpoint, timeouts, this, this.#deadlines);
    x.attempt = attempt;
    this.#attempt = attempt;
    attempt.start(false, performance.now());
  }

  /** Ends it for a reason of our own: nobody is told. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
  }

  /** Not read on until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#leg?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#leg?.resume();
    if (this.#stream !== null) this.#attempt?.resume();
    this.#heardAt = performance.now();
  }

  /** Looks at the clock. */
  check(now: number): void {
    if (this.#leg === null || this.#over || this.#paused) return;
    const silent = now - this.#heardAt;
    if (silent > this.#spec.idleMs) return this.#end('the service has said nothing for too long');
    if (this.#pinged || silent < PING_AFTER * this.#spec.idleMs) return;
    this.#pinged = true;
    this.#leg.ping();
  }

  // a WebSocket ----------------------------------------------------------------------------------------------------

  onUpgraded(x: Exchange, attempt: Attempt, socket: Socket): void {
    if (this.#over || takeServiceHalf(x) === null) {
      socket.destroy();
      attempt.socketEnded();
      return this.#end('the service answered what is no handshake');
    }
    this.#heardAt = performance.now();
    this.#leg = new ServiceLeg(socket, this.#spec.maxBytes, this);
    this.#events.onOpened();
    this.#leg.start();
    if (this.#paused) this.#leg.pause();
  }

  onServiceMessage(message: Buffer, binary: boolean): void {
    if (this.#over) return;
    this.onServiceAlive();
    this.#events.onText(binary ? decoded(message) : message.toString(), '');
  }

  onServiceBatch(rest: () => void): void {
    rest();
  }

  onServiceAlive(): void {
    this.#heardAt = performance.now();
    this.#pinged = false;
  }

  onServiceClosed(code: number): void {
    this.#end(`the service has closed (${code})`);
  }

  onServiceFault(tooBig: boolean): void {
    this.#end(tooBig ? 'a message is larger than channels.maxMessage' : 'the service broke the protocol');
  }

  // a stream of events ---------------------------------------------------------------------------------------------

  onHead(x: Exchange, _attempt: Attempt): void {
    if (this.#over) return;
    const type = fieldOf(x.answerHeaders, 'content-type');
    if (x.dialling || x.status !== 200 || !/^text\/event-stream\s*(?:;|$)/i.test(type)) {
      return this.#end(`the service answered ${x.status}${x.dialling ? '' : ` with "${type.slice(0, 60)}"`}`);
    }
    this.#stream = new EventStream(this.#spec.maxBytes, this.#lastId, {
      onEvent: (data, id) => {
        if (!this.#over) this.#events.onText(data, id);
      },
      onTooLarge: () => this.#end('an event is larger than channels.maxMessage'),
    });
    this.#events.onOpened();
  }

  write(chunk: Buffer): boolean {
    this.#stream?.push(chunk);
    return !this.#paused;
  }

  onCompleted(): void {
    this.#end('the service has ended the stream');
  }

  onFailed(_x: Exchange, _attempt: Attempt, failure: Failure): void {
    this.#end(failure.code);
  }

  // there is no client ---------------------------------------------------------------------------------------------

  answer(): void {}
  begin(): void {}
  end(): void {}
  cut(): void {}
  accept(): ClientSocket | null {
    return null;
  }

  // ----------------------------------------------------------------------------------------------------------------

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
    this.#events.onEnded(reason);
  }

  #leave(): void {
    const leg = this.#leg;
    this.#leg = null;
    if (leg === null) return this.#attempt?.abandon();
    leg.close(GOING_AWAY, '');
    this.#attempt?.socketEnded();
  }

  #headers(): string[] {
    const { type, headers } = this.#spec;
    if (type === 'websocket') {
      const key = randomBytes(16).toString('base64');
      return ['sec-websocket-version', '13', 'sec-websocket-key', key, ...headers];
    }
    const last = this.#lastId === '' ? [] : ['last-event-id', this.#lastId];
    return ['accept', 'text/event-stream', 'cache-control', 'no-store', ...last, ...headers];
  }
}

const strict = new TextDecoder('utf-8', { fatal: true });

function decoded(message: Buffer): string | null {
  try {
    return strict.decode(message);
  } catch {
    return null;
  }
}

function fieldOf(headers: readonly string[], name: string): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1] as string;
  return '';
}
