/** What undici, Node and TLS report, in the gateway's own terms. */

import type { Failure } from '../errors.js';
import * as failures from '../errors.js';

/** The request was handed to no connection yet. */
export function connectFailure(error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? '';
  if (isOurMistake(code)) return failures.INTERNAL;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code.startsWith('EAI_'))
    return failures.NAME_NOT_RESOLVED;
  if (code === 'ETIMEDOUT') return failures.CONNECT_TIMEOUT;
  if (isTlsError(code)) return failures.TLS_FAILED;
  return failures.CONNECT_FAILED;
}

/** The request, or part of it, has been written. */
export function exchangeFailure(error: NodeJS.ErrnoException, answerBegun: boolean): Failure {
  if (isOurMistake(error.code)) return failures.INTERNAL;
  switch (error.code) {
    case 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH':
      return failures.BAD_BODY;
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      // Also what undici calls every parse error in a head that announced a length.
      return answerBegun ? failures.UPSTREAM_INCOMPLETE : failures.UPSTREAM_PROTOCOL_ERROR;
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'ERR_ASSERTION': // of undici, about a 101 that is none
      return failures.UPSTREAM_PROTOCOL_ERROR;
    default:
  }
  if (error.name === 'HTTPParserError') {
    return error.message.includes('Invalid EOF state')
      ? cutShort(answerBegun)
      : failures.UPSTREAM_PROTOCOL_ERROR;
  }
  if (error.message === 'bad response' || error.message === 'bad upgrade')
    return failures.UPSTREAM_PROTOCOL_ERROR;
  return cutShort(answerBegun);
}

function cutShort(answerBegun: boolean): Failure {
  return answerBegun ? failures.UPSTREAM_INCOMPLETE : failures.UPSTREAM_RESET;
}

/** undici refused what we handed it. */
function isOurMistake(code: string | undefined): boolean {
  return code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED';
}

function isTlsError(code: string): boolean {
  return (
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    code.includes('CERT') ||
    code === 'EPROTO' ||
    code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  );
}
