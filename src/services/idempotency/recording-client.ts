/** The client, with a witness beside it: what the service answers goes on at once, and is noted. */
import type { Client, ClientSocket } from '../../exchange.js';
import type { Ticket } from './ticket.js';

export class RecordingClient implements Client {
  readonly #client: Client;
  readonly #ticket: Ticket;

  constructor(client: Client, ticket: Ticket) {
    this.#client = client;
    this.#ticket = ticket;
  }

  get begun(): boolean {
    return this.#client.begun;
  }

  get upgradable(): boolean {
    return this.#client.upgradable;
  }

  accept(...handshake: Parameters<Client['accept']>): ClientSocket | null {
    return this.#client.accept(...handshake);
  }

  answer(body: string | Buffer): void {
    this.#client.answer(body);
  }

  begin(length: number): void {
    this.#ticket.begin(length);
    this.#client.begin(length);
  }

  write(chunk: Buffer): boolean {
    this.#ticket.take(chunk);
    return this.#client.write(chunk);
  }

  end(): void {
    this.#ticket.complete();
    this.#client.end();
  }

  cut(): void {
    this.#client.cut();
  }
}
