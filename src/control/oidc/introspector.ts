import * as oauth from 'oauth4webapi';
import type { IntrospectionConfig } from '../../config/schema/auth.js';
import type { Introspection } from '../../services/primary-answers.js';
import type { Availability } from './availability.js';
import { clientAuthentication, requestOptions } from './openid-client.js';
import { troubleOf } from './trouble.js';

/** More questions than this under way: the server is slower than tokens come, waiting would not help. */
const MOST_UNDER_WAY = 1000;

const BUSY: Introspection = {
  state: 'unavailable',
  why: 'too many tokens wait for the authorisation server',
};
const INACTIVE: Introspection = { state: 'inactive' };

/** Asks one authorisation server about tokens (RFC 7662), once for all who want to know of one. Remembers no answer. */
export class Introspector {
  readonly #config: IntrospectionConfig;
  readonly #availability: Availability;
  readonly #closing = new AbortController();
  readonly #server: oauth.AuthorizationServer;
  readonly #underWay = new Map<string, Promise<Introspection>>();

  constructor(config: IntrospectionConfig, availability: Availability) {
    this.#config = config;
    this.#availability = availability;
    // The library wants an issuer, and uses it for signed answers only, which we do not ask for.
    this.#server = { issuer: new URL(config.url).origin, introspection_endpoint: config.url };
  }

  introspect(token: string): Promise<Introspection> {
    const underWay = this.#underWay.get(token);
    if (underWay !== undefined) return underWay;
    if (this.#underWay.size >= MOST_UNDER_WAY) return Promise.resolve(BUSY);
    const answer = this.#ask(token).finally(() => this.#underWay.delete(token));
    this.#underWay.set(token, answer);
    return answer;
  }

  close(): void {
    this.#closing.abort();
  }

  async #ask(token: string): Promise<Introspection> {
    const { url, clientId, clientSecret, timeout } = this.#config;
    const client: oauth.Client = { client_id: clientId };
    try {
      const response = await oauth.introspectionRequest(
        this.#server,
        client,
        clientAuthentication(clientSecret),
        token,
        requestOptions(url, this.#closing.signal, timeout),
      );
      const claims = await oauth.processIntrospectionResponse(this.#server, client, response);
      this.#availability.answered();
      return claims.active ? { state: 'active', claims } : INACTIVE;
    } catch (error) {
      const { why } = troubleOf(error);
      if (!this.#closing.signal.aborted) this.#availability.failed(why);
      return { state: 'unavailable', why };
    }
  }
}
