/** What undici, Node and TLS report, in the gateway's own terms: the kinds that no test can provoke with a socket. */
import { expect, it } from 'vitest';
import { connectFailure, exchangeFailure } from '../../src/upstream/errors.ts';

function error(code: string, message = '', name = 'Error'): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code, name });
}

it.each([
  ['ECONNREFUSED', 'UPSTREAM_CONNECT_FAILED'],
  ['EHOSTUNREACH', 'UPSTREAM_CONNECT_FAILED'],
  ['ENETUNREACH', 'UPSTREAM_CONNECT_FAILED'],
  ['EMFILE', 'UPSTREAM_CONNECT_FAILED'],
  ['ETIMEDOUT', 'UPSTREAM_CONNECT_TIMEOUT'],
  ['ENOTFOUND', 'UPSTREAM_NAME_NOT_RESOLVED'],
  ['EAI_AGAIN', 'UPSTREAM_NAME_NOT_RESOLVED'],
  ['EAI_FAIL', 'UPSTREAM_NAME_NOT_RESOLVED'],
  ['CERT_HAS_EXPIRED', 'UPSTREAM_TLS_FAILED'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'UPSTREAM_TLS_FAILED'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UPSTREAM_TLS_FAILED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'UPSTREAM_TLS_FAILED'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'UPSTREAM_TLS_FAILED'],
  ['UND_ERR_INVALID_ARG', 'INTERNAL_ERROR'],
])('%s before the request has left is %s', (code, failure) => {
  expect(connectFailure(error(code)).code).toBe(failure);
});

it.each([
  ['ECONNRESET', false, 'UPSTREAM_RESET'],
  ['ECONNRESET', true, 'UPSTREAM_INCOMPLETE'],
  ['EPIPE', false, 'UPSTREAM_RESET'],
  ['UND_ERR_SOCKET', false, 'UPSTREAM_RESET'],
  ['UND_ERR_SOCKET', true, 'UPSTREAM_INCOMPLETE'],
  ['UND_ERR_HEADERS_OVERFLOW', false, 'UPSTREAM_PROTOCOL_ERROR'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', true, 'UPSTREAM_INCOMPLETE'],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', false, 'BAD_BODY'],
  ['UND_ERR_INVALID_ARG', false, 'INTERNAL_ERROR'],
  ['UND_ERR_NOT_SUPPORTED', false, 'INTERNAL_ERROR'],
] as const)('%s with the answer begun: %s is %s', (code, begun, failure) => {
  expect(exchangeFailure(error(code), begun).code).toBe(failure);
});

it('a message the parser refuses is a protocol error', () => {
  expect(
    exchangeFailure(error('HPE_INVALID_CONSTANT', 'Expected HTTP/', 'HTTPParserError'), false).code,
  ).toBe('UPSTREAM_PROTOCOL_ERROR');
});

it('only failures without a byte sent may be tried elsewhere', () => {
  for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'CERT_HAS_EXPIRED']) {
    expect(connectFailure(error(code)).retry).toBe('unsent');
  }
  expect(exchangeFailure(error('ECONNRESET'), false).retry).toBe('idempotent');
  expect(exchangeFailure(error('ECONNRESET'), true).retry).toBe('never');
});
