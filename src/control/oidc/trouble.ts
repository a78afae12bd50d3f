import * as oauth from 'oauth4webapi';
import { whyFailed } from '../keys/document.js';

/** Why a call at the identity provider came to nothing. Holds nothing of tokens and secrets. */
export interface Trouble {
  /** `refused`: it says no. `unavailable`: it says nothing that could be used. */
  readonly result: 'refused' | 'unavailable';
  /** Its own word (RFC 6749 §5.2), as far as it is one; else empty. */
  readonly code: string;
  readonly why: string;
}

/** It is the gateway that is not accepted, not the person. */
const CLIENT_REFUSED = new Set(['invalid_client', 'unauthorized_client']);
const NOT_NOW = new Set(['server_error', 'temporarily_unavailable', 'slow_down']);
/** The answer is not what the protocol says, or comes from something else than the identity provider. */
const UNUSABLE = new Set<unknown>([
  oauth.RESPONSE_IS_NOT_CONFORM,
  oauth.RESPONSE_IS_NOT_JSON,
  oauth.PARSE_ERROR,
  oauth.MISSING_SERVER_METADATA,
  oauth.INVALID_SERVER_METADATA,
  oauth.HTTP_REQUEST_FORBIDDEN,
]);

export function troubleOf(error: unknown): Trouble {
  if (error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError) {
    const code = word(error.error);
    const late = 'status' in error && (error.status >= 500 || error.status === 429);
    if (CLIENT_REFUSED.has(code)) return notAccepted(code);
    const result = late || NOT_NOW.has(code) ? 'unavailable' : 'refused';
    return { result, code, why: `the identity provider says ${code}` };
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return notAccepted('invalid_client');
  if (error instanceof oauth.OperationProcessingError) {
    const result = UNUSABLE.has(error.code) ? 'unavailable' : 'refused';
    return { result, code: '', why: error.message };
  }
  return { result: 'unavailable', code: '', why: whyFailed(error) };
}

function notAccepted(code: string): Trouble {
  return {
    result: 'unavailable',
    code,
    why: 'the identity provider does not accept the credentials of the client',
  };
}

/** What others send must not write lines into our log. */
function word(code: string): string {
  return /^[\w.-]{1,64}$/.test(code) ? code : 'an error';
}
