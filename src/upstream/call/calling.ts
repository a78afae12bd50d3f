/** One call on its way: waits for a connection, sends, collects the answer. Ends exactly once. */
import type { Connection } from '../connection.js';
import type { Endpoint, Taker } from '../endpoint.js';
import type { Dispatcher, IncomingHttpHeaders } from '../undici.js';
import type { CallAnswer, CallRequest } from './call.js';

export class Calling implements Taker, Dispatcher.DispatchHandler {
  readonly upgrades = false;
  readonly #request: CallRequest;
  readonly #endpoint: Endpoint;
  readonly #host: string;
  readonly #target: string;
  readonly #resolve: (answer: CallAnswer) => void;
  readonly #reject: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #connection: Connection | null = null;
  #timer: NodeJS.Timeout | null = null;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #received = 0;
  #repeated = false;
  #over = false;

  constructor(
    request: CallRequest,
    endpoint: Endpoint,
    host: string,
    target: string,
    resolve: (answer: CallAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#request = request;
    this.#endpoint = endpoint;
    this.#host = host;
    this.#target = target;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { timeoutMs } = this.#request;
    // When the loop was busy for longer than that, the answer may be there and only unread: it is read first.
    const late = () => this.#fail(`no answer within ${timeoutMs} ms`);
    this.#timer = setTimeout(() => setImmediate(late), timeoutMs);
    if (!this.#endpoint.acquire(this, false)) this.#fail('too many calls at once');
  }

  take(connection: Connection): void {
    const { method, headers, body } = this.#request;
    this.#connection = connection;
    connection.dispatch(
      {
        path: this.#target,
        method: method as Dispatcher.HttpMethod,
        headers: headers as string[],
        // The same for every request, or undici would open another connection: see Connection.
        servername: 'endpoint',
        body,
      },
      this,
    );
  }

  // undici calls these -----------------------------------------------------------------------------------------

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) return controller.abort(new Error('abandoned'));
    (this.#connection as Connection).awaitsHead = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.#over || (status >= 100 && status < 200)) return;
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    this.#received += chunk.length;
    const { maxBytes, beginningOnly } = this.#request;
    if (this.#received > maxBytes && !beginningOnly)
      return this.#fail(`the answer has more than ${maxBytes} bytes`);
    this.#chunks.push(chunk);
    if (this.#received <= maxBytes) return;
    this.#end();
    this.#endpoint.drop(this.#connection as Connection);
    this.#answer();
  }

  onResponseEnd(): void {
    if (this.#over) return;
    const connection = this.#connection as Connection;
    if (connection.broken) return this.#fail('the answer is cut short');
    this.#end();
    this.#endpoint.release(connection);
    this.#answer();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: NodeJS.ErrnoException): void {
    if (this.#over) return;
    const connection = this.#connection as Connection;
    const wasClosing = connection.uses > 0 && this.#status === 0 && !this.#repeated;
    if (!wasClosing || !this.#request.repeatable) {
      return this.#fail(
        this.#status === 0 ? `no answer: ${error.code ?? error.name}` : 'the answer is cut short',
      );
    }
    this.#repeated = true;
    this.#connection = null;
    this.#endpoint.drop(connection);
    if (!this.#endpoint.acquire(this, true)) this.#fail('too many calls at once');
  }

  // ------------------------------------------------------------------------------------------------------------

  #fail(why: string): void {
    if (this.#over) return;
    this.#end();
    if (this.#connection === null) this.#endpoint.cancel(this);
    else this.#endpoint.drop(this.#connection);
    this.#reject(new Error(`${this.#host}: ${why}`));
  }

  #answer(): void {
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: joined(this.#headers), body });
  }

  #end(): void {
    this.#over = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

function joined(headers: IncomingHttpHeaders): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) fields[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return fields;
}
