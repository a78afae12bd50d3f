/** Why a token is not accepted. The reasons are labels of a metric: a fixed set. */
import {
  AUTH_UNAVAILABLE,
  DUPLICATE_CREDENTIALS,
  type Failure,
  INVALID_TOKEN,
  VERIFIER_BUSY,
} from '../../errors.js';
import type { Refusal } from '../identity.js';

export const MALFORMED = refusal('malformed');
export const TOO_LARGE = refusal('too-large');
/** Not one of the configuration, or not the one that the key is bound to. */
export const ALGORITHM = refusal('algorithm');
export const HEADER = refusal('header');
export const TYPE = refusal('type');
export const UNKNOWN_KEY = refusal('unknown-key');
export const SIGNATURE = refusal('signature');
export const EXPIRED = refusal('expired');
export const NOT_YET = refusal('not-yet');
export const ISSUER = refusal('issuer');
export const AUDIENCE = refusal('audience');
/** One is missing, or of the wrong type. */
export const CLAIMS = refusal('claims');
export const REVOKED = refusal('revoked');

export const DUPLICATE = refusal('duplicate', DUPLICATE_CREDENTIALS);
export const KEYS_UNAVAILABLE = refusal('keys-unavailable', AUTH_UNAVAILABLE);
export const BUSY = refusal('busy', VERIFIER_BUSY);
/** The thread that had the token has died. */
export const VERIFIER_LOST = refusal('busy', AUTH_UNAVAILABLE);

function refusal(reason: string, failure: Failure = INVALID_TOKEN): Refusal {
  return Object.freeze({ failure, reason });
}
