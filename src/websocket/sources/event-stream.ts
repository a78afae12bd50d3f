/** Reads a stream of events (`text/event-stream`, WHATWG HTML §9.2.6) as it comes. */

export interface StreamEvents {
  /** `id`: the last one that the stream has named, with this event or before. */
  onEvent(data: string, id: string): void;
  /** An event is larger than it may be. Nothing follows. */
  onTooLarge(): void;
}

export class EventStream {
  readonly #events: StreamEvents;
  readonly #maxBytes: number;
  readonly #decoder = new TextDecoder();
  /** The line that has not ended. */
  #rest = '';
  /** Characters of the event so far. */
  #size = 0;
  #data: string[] = [];
  #id: string;
  #over = false;
  /** A line that ended with CR: an LF that follows belongs to it. */
  #skipLf = false;

  constructor(maxBytes: number, lastId: string, events: StreamEvents) {
    this.#maxBytes = maxBytes;
    this.#id = lastId;
    this.#events = events;
  }

  push(chunk: Buffer): void {
    if (this.#over) return;
    let text = this.#decoder.decode(chunk, { stream: true });
    if (text === '') return;
    if (this.#skipLf && text.startsWith('\n')) text = text.slice(1);
    this.#skipLf = text.endsWith('\r');
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#line(line);
    if (!this.#over && this.#size + this.#rest.length > this.#maxBytes) this.#tooLarge();
  }

  #line(line: string): void {
    if (this.#over) return;
    if (line === '') return this.#dispatch();
    this.#size += line.length;
    if (this.#size > this.#maxBytes) return this.#tooLarge();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(): void {
    const data = this.#data;
    this.#data = [];
    this.#size = 0;
    if (data.length > 0) this.#events.onEvent(data.join('\n'), this.#id);
  }

  #tooLarge(): void {
    this.#over = true;
    this.#events.onTooLarge();
  }
}
