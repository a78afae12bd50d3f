/** Sluice as a guard, and as a plain proxy of the same requests. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contenders/contender.ts';
import { sluice } from '../contenders/sluice.ts';
import { GATEWAY_CORE, Launched } from '../proc.ts';
import { AUDIENCE, ISSUER, type SigningKey } from './tokens.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url);

/** Whether Sluice counts requests by user, as HAProxy does. */
export const PER_USER_LIMIT = true;

const LIMIT = 'limit: [{ by: [user], rate: 1000000/s }]';

function provider(key: SigningKey): string {
  const material =
    key.algorithm === 'HS256' ? `secret: ${key.verifyWith}` : `publicKey: { file: ${key.verifyWith} }`;
  return `{ type: jwt, algorithms: [${key.algorithm}], ${material}, issuer: ${ISSUER}, audience: ${AUDIENCE} }`;
}

/** As bench/contenders/sluice.ts, with a door. */
const configure = (origin: string, key: SigningKey, limited: boolean): string => `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
accessLog: off
auth:
  providers:
    p: ${provider(key)}
services:
  bench:
    endpoints: [${origin}]
routes:
  - name: bench
    match: { path: '/*' }
    service: bench
    auth: p
    ${limited ? LIMIT : ''}
`;

export function sluiceJwt(key: SigningKey, limited: boolean): Contender {
  return {
    name: `Sluice ${key.algorithm}${limited ? ' + limit' : ''}`,
    version: sluice.version,
    async start(origin, dir) {
      const file = join(dir, 'sluice.yaml');
      writeFileSync(file, configure(origin, key, limited));
      const command = [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', '1'];
      const child = new Launched('sluice', command, GATEWAY_CORE);
      const { url } = await child.ready();
      return { url, pid: child.pid, warmsUp: true, stop: () => child.stop() };
    },
  };
}
