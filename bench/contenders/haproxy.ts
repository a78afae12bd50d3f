import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, GATEWAY_CORE, Launched, probe } from '../proc.ts';
import type { Contender } from './contender.ts';

const configure = (origin: string, port: number): string => `
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
  default_backend service
backend service
  server one ${new URL(origin).host}
`;

export const haproxy: Contender = {
  name: 'HAProxy',
  version: () => probe('haproxy', '-v')?.match(/version (\S+)/)?.[1] ?? null,
  async start(origin, dir) {
    const port = await freePort();
    const file = join(dir, 'haproxy.cfg');
    writeFileSync(file, configure(origin, port));
    const child = new Launched('haproxy', ['haproxy', '-db', '-f', file], GATEWAY_CORE);
    await child.listening(port);
    return { url: `http://127.0.0.1:${port}`, pid: child.pid, warmsUp: false, stop: () => child.stop() };
  },
};
