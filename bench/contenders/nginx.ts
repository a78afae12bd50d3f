import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, GATEWAY_CORE, Launched, probe } from '../proc.ts';
import { CONNECTIONS } from '../workloads.ts';
import type { Contender } from './contender.ts';

const FOREVER = 1_000_000_000;
/** As root, nginx would give its worker a user that may not enter our folder. */
const USER = process.getuid?.() === 0 ? 'user root;' : '';
const TEMP_FOLDERS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const configure = (origin: string, port: number, dir: string): string => `
daemon off;
${USER}
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests ${FOREVER};
  ${TEMP_FOLDERS.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n  ')}
  upstream service {
    server ${new URL(origin).host};
    keepalive ${CONNECTIONS * 2};
    keepalive_requests ${FOREVER};
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;

export const nginx: Contender = {
  name: 'nginx',
  version: () => probe('nginx', '-v')?.match(/nginx\/(\S+)/)?.[1] ?? null,
  async start(origin, dir) {
    const port = await freePort();
    const file = join(dir, 'nginx.conf');
    mkdirSync(dir, { recursive: true });
    writeFileSync(file, configure(origin, port, dir));
    const child = new Launched('nginx', ['nginx', '-e', join(dir, 'error.log'), '-c', file], GATEWAY_CORE);
    await child.listening(port);
    return { url: `http://127.0.0.1:${port}`, pid: child.pid, warmsUp: false, stop: () => child.stop() };
  },
};
