import * as oauth from 'oauth4webapi';
import type { SessionConfig } from '../../config/schema/auth.js';
import { readBounded } from '../keys/document.js';

const TIMEOUT_MS = 5000;
const DISCOVERY_MS = 3_600_000;
/** Seconds that clocks may differ, for ID tokens. */
const CLOCK_TOLERANCE_S = 30;

/** What a login or its renewal brings. */
export interface Tokens {
  readonly accessToken: string;
  /** null: none came; after a renewal the old one is good for another time. */
  readonly refreshToken: string | null;
  readonly idToken: string | null;
  /** Of the ID token. */
  readonly claims: Readonly<Record<string, unknown>> | null;
  readonly scope: string | null;
  readonly expiresInMs: number | null;
}

/** What a code is exchanged with. */
export interface CodeExchange {
  /** As `validateAuthResponse` gave them back. */
  readonly parameters: URLSearchParams;
  readonly redirectUri: string;
  readonly verifier: string;
  readonly nonce: string;
}

type Login = Pick<SessionConfig['login'], 'issuer' | 'clientId' | 'clientSecret'>;

/** The gateway as a client of one OpenID provider. Methods reject with what `troubleOf` can explain. */
export class OpenIdClient {
  readonly client: oauth.Client;
  readonly #login: Login;
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #metadata: oauth.AuthorizationServer | null = null;
  #metadataUntil = 0;
  #discovery: Promise<oauth.AuthorizationServer> | null = null;

  constructor(login: Login, now: () => number) {
    this.#login = login;
    this.#now = now;
    this.client = { client_id: login.clientId, [oauth.clockTolerance]: CLOCK_TOLERANCE_S };
  }

  /** Found by discovery, one question for all who ask; an old answer is better than none. */
  async metadata(): Promise<oauth.AuthorizationServer> {
    if (this.#metadata !== null && this.#now() < this.#metadataUntil) return this.#metadata;
    this.#discovery ??= this.#discover().finally(() => {
      this.#discovery = null;
    });
    try {
      return await this.#discovery;
    } catch (error) {
      if (this.#metadata !== null) return this.#metadata;
      throw error;
    }
  }

  async exchange({ parameters, redirectUri, verifier, nonce }: CodeExchange): Promise<Tokens> {
    const as = await this.metadata();
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      this.client,
      this.#authentication(as),
      parameters,
      redirectUri,
      verifier,
      this.#options(),
    );
    const checks = { expectedNonce: nonce, requireIdToken: true };
    const answer = await oauth.processAuthorizationCodeResponse(as, this.client, response, checks);
    await this.#verifySignature(as, response);
    return tokensOf(answer);
  }

  async renew(refreshToken: string): Promise<Tokens> {
    const as = await this.metadata();
    const authentication = this.#authentication(as);
    const options = this.#options();
    const response = await oauth.refreshTokenGrantRequest(
      as,
      this.client,
      authentication,
      refreshToken,
      options,
    );
    const answer = await oauth.processRefreshTokenResponse(as, this.client, response);
    if (answer.id_token !== undefined) await this.#verifySignature(as, response);
    return tokensOf(answer);
  }

  /** RFC 7009. Does nothing where the provider cannot. */
  async revoke(token: string): Promise<void> {
    const as = await this.metadata();
    if (as.revocation_endpoint === undefined) return;
    const options = this.#options();
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, this.client, this.#authentication(as), token, options),
    );
  }

  close(): void {
    this.#closing.abort();
  }

  async #discover(): Promise<oauth.AuthorizationServer> {
    const issuer = new URL(this.#login.issuer);
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...this.#options() });
    this.#metadata = await oauth.processDiscoveryResponse(issuer, response);
    this.#metadataUntil = this.#now() + DISCOVERY_MS;
    return this.#metadata;
  }

  /** The library keeps keys for a minute at least: after a rotation they are fetched anew. */
  async #verifySignature(as: oauth.AuthorizationServer, response: Response): Promise<void> {
    try {
      await oauth.validateApplicationLevelSignature(as, response, this.#options());
    } catch (error) {
      if (!(error instanceof oauth.OperationProcessingError) || error.code !== oauth.KEY_SELECTION)
        throw error;
      const renewed = { ...as }; // the library's memory goes by the object
      await oauth.validateApplicationLevelSignature(renewed, response, this.#options());
      if (this.#metadata === as) this.#metadata = renewed;
    }
  }

  #authentication(as: oauth.AuthorizationServer): oauth.ClientAuth {
    return clientAuthentication(this.#login.clientSecret, as.token_endpoint_auth_methods_supported);
  }

  #options(): RequestOptions {
    return requestOptions(this.#login.issuer, this.#closing.signal, TIMEOUT_MS);
  }
}

export interface RequestOptions {
  readonly signal: AbortSignal;
  readonly [oauth.allowInsecureRequests]: boolean;
  readonly [oauth.customFetch]: (url: string, init: RequestInit) => Promise<Response>;
}

/** Whoever names an http: address wants plain HTTP there; an https: one never leads to it. */
export function requestOptions(address: string, closing: AbortSignal, timeoutMs: number): RequestOptions {
  return {
    signal: AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]),
    [oauth.allowInsecureRequests]: address.startsWith('http:'),
    [oauth.customFetch]: fetchBounded,
  };
}

/** `client_secret_basic` unless only `client_secret_post` is offered. */
export function clientAuthentication(
  secret: string | undefined,
  offered?: readonly string[],
): oauth.ClientAuth {
  if (secret === undefined) return oauth.None();
  const post = offered?.includes('client_secret_post') && !offered.includes('client_secret_basic');
  return post ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const body = await readBounded(response);
  const { status, headers } = response;
  return new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers });
}

function tokensOf(answer: oauth.TokenEndpointResponse): Tokens {
  const { access_token, refresh_token, id_token, scope, expires_in } = answer;
  return {
    accessToken: access_token,
    refreshToken: refresh_token ?? null,
    idToken: id_token ?? null,
    claims: oauth.getValidatedIdTokenClaims(answer) ?? null,
    scope: scope ?? null,
    expiresInMs: expires_in === undefined ? null : expires_in * 1000,
  };
}
