/** What the primary answers when a worker asks about callers: plain data, it crosses process borders. */

/** Keys of an issuer as published (RFC 7517), those of no use left out. */
export interface KeySet {
  readonly provider: string;
  /** Grows with each fetch that changed something. */
  readonly version: number;
  readonly keys: readonly JsonWebKey[];
  /** Milliseconds since 1970; 0: never fetched. */
  readonly fetchedAt: number;
  /** Until when (milliseconds since 1970) no missing key leads to another fetch. */
  readonly quietUntil: number;
}

/** A key that a token needs and the keys of its issuer do not have. */
export interface MissingKey {
  /** Its name; null: any will do, if only it is new, because the token names none. */
  readonly kid: string | null;
  /** Of the keys it is not among; 0: there are none. */
  readonly version: number;
}

/** A key as JSON. The members beyond RFC 7517's common ones depend on `kty`. */
export interface JsonWebKey {
  readonly kty: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: string;
  readonly key_ops?: readonly string[];
  readonly crv?: string;
  readonly n?: string;
  readonly e?: string;
  readonly x?: string;
  readonly y?: string;
}

/** RFC 7662 §2.2. `unavailable`: the server gave no usable answer. */
export type Introspection =
  | { readonly state: 'active'; readonly claims: Readonly<Record<string, unknown>> }
  | { readonly state: 'inactive' }
  | { readonly state: 'unavailable'; readonly why: string };

export interface LoginCall {
  readonly provider: string;
  /** Scheme and authority that the browser sees. */
  readonly origin: string;
  /** Path and query to come back to. */
  readonly returnTo: string;
}

export interface LoginStart {
  readonly location: string;
  /** Whole value of a `Set-Cookie` field. */
  readonly setCookie: string;
}

export interface CallbackCall {
  readonly provider: string;
  readonly origin: string;
  /** Query of the request, without the question mark. */
  readonly query: string;
  /** Value of the login cookie; empty when there is none. */
  readonly loginCookie: string;
  /** The session the browser had before, which ends; empty when there is none. */
  readonly sid: string;
}

export type LoginEnd =
  | { readonly result: 'ok'; readonly location: string; readonly setCookies: readonly string[] }
  /** `refused`: by the identity provider, or because the login was not begun by this browser. */
  | {
      readonly result: 'refused' | 'unavailable';
      readonly why: string;
      readonly setCookies: readonly string[];
    };

export type SessionRefresh =
  | {
      readonly result: 'ok';
      /** The id from now on. */
      readonly sid: string;
      /** Milliseconds since 1970: when the session ends if it is not used; when in any case. */
      readonly idleUntil: number;
      readonly absoluteUntil: number;
    }
  | { readonly result: 'ended' | 'unavailable'; readonly why: string };
