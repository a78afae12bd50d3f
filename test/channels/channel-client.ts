/** A client of channels that knows where it is on each, and comes back with that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { ClientOptions } from 'ws';
import type { RunningGateway } from '../harness/gateway.ts';
import { SocketClient } from '../harness/sockets.ts';

export interface Position {
  offset: number;
  epoch: string;
}

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect
export type Told = any;

export class ChannelClient {
  readonly client: SocketClient;
  /** Everything that was told, in order. */
  readonly told: Told[] = [];
  #lookers: (() => void)[] = [];

  constructor(url: string, options: ClientOptions & { servername?: string } = {}, protocols: string[] = []) {
    this.client = new SocketClient(url, protocols, options);
    this.client.socket.on('message', (message: Buffer) => {
      this.told.push(JSON.parse(message.toString()));
      for (const look of this.#lookers.splice(0)) look();
    });
  }

  send(message: object | string): void {
    this.client.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Sends it, and resolves with what is told about it. */
  async ask(message: { op: string; [field: string]: unknown }): Promise<Told> {
    const id = `${Math.random()}`;
    this.send({ ...message, id });
    return await this.until((told) => told.id === id);
  }

  async subscribe(channel: string, since?: Position): Promise<Told> {
    return await this.ask({ op: 'subscribe', channel, ...(since && { since }) });
  }

  /** The first of what was or will be told that is so. */
  async until(is: (told: Told) => boolean): Promise<Told> {
    for (let from = 0; ; ) {
      for (; from < this.told.length; from++) if (is(this.told[from])) return this.told[from];
      await new Promise<void>((resolve) => this.#lookers.push(resolve));
    }
  }

  /** Messages of a channel so far. */
  messages(channel: string): { data: unknown; offset: number; epoch: string }[] {
    return this.told.filter((told) => told.channel === channel && told.op === undefined);
  }

  data(channel: string): unknown[] {
    return this.messages(channel).map(({ data }) => data);
  }
}

/** Ended with the test. */
export async function openChannels(
  gateway: RunningGateway,
  path = '/feed',
  options?: ClientOptions & { servername?: string },
): Promise<ChannelClient> {
  const opened = new ChannelClient(gateway.url + path, options);
  onTestFinished(() => opened.client.socket.terminate());
  await opened.client.opened;
  return opened;
}

export async function publish(gateway: RunningGateway, channel: string, data: unknown): Promise<Position> {
  const { status, body } = await post(gateway, `/channels/${channel}`, { data });
  expect(status).toBe(200);
  return body;
}

export async function post(gateway: RunningGateway, path: string, body: unknown) {
  return await gateway.ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

export interface StreamEvent {
  id?: string;
  event: string;
  data: Told;
}

/** A client of a stream of events. */
export class EventClient {
  readonly events: StreamEvent[] = [];
  readonly comments: string[] = [];
  retry = 0;
  ended = false;
  readonly #abort = new AbortController();

  async open(url: string, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream', ...headers },
      signal: this.#abort.signal,
    });
    if (response.status === 200) void this.#read(response).catch(() => {});
    return response;
  }

  close(): void {
    this.#abort.abort();
  }

  get messages(): StreamEvent[] {
    return this.events.filter(({ event }) => event === 'message');
  }

  get lastId(): string {
    return this.events.findLast(({ id }) => id !== undefined)?.id ?? '';
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const chunk of response.body!) {
        text += decoder.decode(chunk, { stream: true });
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          this.#take(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } finally {
      this.ended = true;
    }
  }

  #take(block: string): void {
    const event: StreamEvent = { event: 'message', data: undefined };
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
      if (field === '') this.comments.push(value);
      else if (field === 'retry') this.retry = Number(value);
      else if (field === 'id') event.id = value;
      else if (field === 'event') event.event = value;
      else if (field === 'data') event.data = JSON.parse(value);
    }
    if (event.data !== undefined) this.events.push(event);
  }
}

export async function openEvents(
  gateway: RunningGateway,
  query: string,
  headers: Record<string, string> = {},
  path = '/feed',
): Promise<EventClient & { response: Response }> {
  const client = new EventClient();
  onTestFinished(() => client.close());
  const response = await client.open(`${gateway.url}${path}?${query}`, headers);
  return Object.assign(client, { response });
}

/** What must not come has had time to. */
export async function moment(): Promise<void> {
  await sleep(150);
}
