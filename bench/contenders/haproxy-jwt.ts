/**
 * HAProxy as a guard, at its cheapest: the algorithm is written into the check, so that the header of the token is not
 * looked at (1 us less than the way its manual shows); signature and `exp` are checked, requests are counted by `sub`.
 * Issuer and audience are not checked.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SigningKey } from '../auth/tokens.ts';
import { freePort, GATEWAY_CORE, Launched } from '../proc.ts';
import type { Contender } from './contender.ts';
import { haproxy } from './haproxy.ts';

/** Requests of one user in ten seconds: counted and compared, never reached. */
const NEVER_REACHED = 1_000_000_000;

const LIMIT = `
  stick-table type string len 64 size 100k expire 60s store http_req_rate(10s)
  http-request track-sc0 var(txn.bearer),jwt_payload_query('$.sub')
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${NEVER_REACHED} }`;

const configure = (origin: string, port: number, key: SigningKey, limited: boolean): string => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 1s
  timeout client 30s
  timeout server 30s
frontend clients
  bind 127.0.0.1:${port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify("${key.algorithm}","${key.verifyWith}") 1 }
  http-request deny deny_status 401 unless { var(txn.exp),sub(txn.now) -m int gt 0 }${limited ? LIMIT : ''}
  default_backend service
backend service
  server one ${new URL(origin).host}
`;

/** With a stick table of requests by user, or without. */
export function haproxyJwt(key: SigningKey, limited: boolean): Contender {
  return {
    name: `HAProxy ${key.algorithm}${limited ? ' + stick table' : ''}`,
    version: haproxy.version,
    async start(origin, dir) {
      const port = await freePort();
      const file = join(dir, 'haproxy.cfg');
      writeFileSync(file, configure(origin, port, key, limited));
      const child = new Launched('haproxy', ['haproxy', '-db', '-f', file], GATEWAY_CORE);
      await child.listening(port);
      return { url: `http://127.0.0.1:${port}`, pid: child.pid, warmsUp: false, stop: () => child.stop() };
    },
  };
}
