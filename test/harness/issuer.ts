/**
 * An OpenID provider to log in at, to introspect at and to fetch keys from: the real `oidc-provider`, with people who
 * log in without being asked, and told by the test how to fail.
 *
 *   const issuer = await startIssuer();
 *   const token = issuer.mint({ sub: 'alice', aud: 'api' });       // a JWT, signed with a key of /jwks
 *   const opaque = await issuer.accessToken({ user: 'alice' });    // active at /token/introspection
 *   const back = await issuer.visit(location);                     // a login: where the browser is sent in the end
 *   issuer.faults.set('/jwks', { delayMs: 200 });                  // and { status: 500 }, { cut: true } …
 *   await issuer.rotate();                                         // other keys from now on
 *
 * It is closed when the test that started it ends; one that a hook started is the hook's to close.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
// @ts-expect-error: without types
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';
import { onTestFinished } from 'vitest';
import { createKey, encode, type IssuerKey, signature } from './issuer-keys.ts';
import { CLIENT, createProvider, type IssuerOptions } from './issuer-provider.ts';

/** How one path misbehaves; without `status`, `body`, `cut` and `hang` the real answer comes, late or with more headers. */
export interface Fault {
  readonly delayMs?: number;
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection breaks instead of an answer. */
  readonly cut?: boolean;
  /** No answer at all. */
  readonly hang?: boolean;
}

export interface MintOptions {
  /** One of the issuer's `algorithms`. */
  readonly alg?: string;
  /** What the header says; null leaves it out. The signature is by the issuer's key all the same. */
  readonly kid?: string | null;
  /** Seconds from now; negative for a token that has expired. */
  readonly expiresIn?: number;
  /** More members of the header. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970. */
  readonly now?: number;
}

/** Cookies by name, of one browser at the issuer. */
export type CookieJar = Map<string, string>;

export class Issuer {
  /** Also the value of `iss`: `http://127.0.0.1:port`. */
  readonly url: string;
  /** Requests by path. */
  readonly hits = new Map<string, number>();
  /** By path: `/jwks`, `/token`, `/token/introspection`, `/token/revocation`, `/.well-known/openid-configuration`. */
  readonly faults = new Map<string, Fault>();
  /** Further claims of those who log in, by their names; anybody may log in. */
  readonly claims = new Map<string, Record<string, unknown>>();
  /** Who logs in; null: they refuse. */
  user: string | null = 'alice';
  keys: readonly IssuerKey[];
  readonly #options: IssuerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #port: number;
  #published: readonly IssuerKey[] = [];
  #storage = createMemoryAdapter();
  // biome-ignore lint/suspicious/noExplicitAny: the library comes without types
  #provider: any;

  constructor(server: Server, options: IssuerOptions) {
    this.#server = server;
    this.#options = options;
    this.#port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}`;
    this.keys = (options.algorithms ?? ['RS256', 'ES256', 'EdDSA']).map(createKey);
    this.#publish(this.keys);
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request, response) => void this.#handle(request, response));
  }

  get jwksUrl(): string {
    return `${this.url}/jwks`;
  }

  get introspectionUrl(): string {
    return `${this.url}/token/introspection`;
  }

  hitsOf(path: string): number {
    return this.hits.get(path) ?? 0;
  }

  /** Signs with new keys from now on, and publishes those alone, or the last ones with them. */
  rotate({ keepOld = false } = {}): void {
    const old = this.keys;
    this.keys = old.map(({ alg }) => createKey(alg));
    this.#publish(keepOld ? [...this.keys, ...old] : this.keys);
  }

  /** Forgets sessions, grants and tokens. */
  forget(): void {
    this.#storage = createMemoryAdapter();
    this.#publish(this.#published);
  }

  key(alg: string): IssuerKey {
    const key = this.keys.find((one) => one.alg === alg);
    if (key === undefined) throw new Error(`the issuer has no key for ${alg}`);
    return key;
  }

  /** A JWT: `iss`, `iat`, `exp` in five minutes and `sub: alice` unless `claims` say otherwise; undefined leaves one out. */
  mint(claims: Readonly<Record<string, unknown>> = {}, options: MintOptions = {}): string {
    const { alg = 'RS256', expiresIn = 300, header = {}, now = Date.now() } = options;
    const key = this.key(alg);
    const kid = options.kid === null ? undefined : (options.kid ?? key.kid);
    const iat = Math.floor(now / 1000);
    const payload = { iss: this.url, sub: 'alice', iat, exp: iat + expiresIn, ...claims };
    const signed = `${encode({ alg, typ: 'JWT', kid, ...header })}.${encode(payload)}`;
    return `${signed}.${signature(signed, key)}`;
  }

  /** An opaque access token, as a login would have brought. */
  async accessToken({
    user = 'alice',
    scope = 'openid',
    claims = {},
  }: {
    user?: string;
    scope?: string;
    claims?: Record<string, unknown>;
  } = {}): Promise<string> {
    const client = await this.#provider.Client.find(CLIENT.clientId);
    const token = new this.#provider.AccessToken({
      accountId: user,
      client,
      scope,
      gty: 'authorization_code',
    });
    token.told = claims;
    return await token.save();
  }

  /** Follows the redirects of a login or logout as a browser does, says yes to forms, until one leads away from the issuer: that one. */
  async visit(location: string, jar: CookieJar = new Map()): Promise<URL> {
    let at = new URL(location);
    let body: URLSearchParams | null = null;
    for (let step = 0; step < 12; step++) {
      if (at.origin !== this.url) return at;
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const method = body === null ? 'GET' : 'POST';
      const answer = await fetch(at, { method, body, redirect: 'manual', headers: { cookie } });
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) as RegExpExecArray;
        if (value === '') jar.delete(name);
        else jar.set(name, value);
      }
      const next = answer.headers.get('location');
      if (next !== null) {
        at = new URL(next, at);
        body = null;
        continue;
      }
      const page = await answer.text();
      const form = /action="([^"]+)".* name="xsrf" value="([^"]+)"/s.exec(page);
      if (form === null) throw new Error(`the issuer answers ${answer.status}: ${page}`);
      at = new URL(form[1], at);
      body = new URLSearchParams({ xsrf: form[2], logout: 'yes' });
    }
    throw new Error('the issuer redirects in a circle');
  }

  /** Nobody listens there any more, until `up()`. */
  async down(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async up(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.down();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url as string).split('?')[0];
    this.hits.set(path, this.hitsOf(path) + 1);
    const fault = this.faults.get(path);
    if (fault?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault?.hang) return;
    if (fault?.cut) return void request.socket.destroy();
    if (fault?.status !== undefined || fault?.body !== undefined) {
      const type = { 'content-type': 'application/json' };
      response.writeHead(fault.status ?? 200, { ...type, ...fault.headers }).end(fault.body ?? '{}');
      return;
    }
    if (fault?.headers !== undefined) addHeaders(response, fault.headers);
    if (path.startsWith('/interaction/')) return await this.#interact(request, response);
    this.#provider.callback()(request, response);
  }

  async #interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const result =
      this.user === null
        ? { error: 'access_denied', error_description: 'the person refuses' }
        : { login: { accountId: this.user } };
    await this.#provider.interactionFinished(request, response, result);
  }

  #publish(keys: readonly IssuerKey[]): void {
    this.#published = keys;
    this.#provider = createProvider(this.url, keys, this.#storage, this.claims, this.#options);
  }
}

export async function startIssuer(options: IssuerOptions = {}): Promise<Issuer> {
  const server = createServer({ keepAliveTimeout: 60_000 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = new Issuer(server, options);
  try {
    onTestFinished(() => issuer.close());
  } catch {
    // Started in a hook.
  }
  return issuer;
}

function addHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
  response.writeHead = (...head: unknown[]) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    return writeHead(...head);
  };
}
