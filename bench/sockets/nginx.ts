/** nginx as it passes on WebSockets: a tunnel of bytes behind the handshake. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Standing } from '../contenders/contender.ts';
import { nginx } from '../contenders/nginx.ts';
import { freePort, GATEWAY_CORE, Launched } from '../proc.ts';

/** As root, nginx would give its worker a user that may not enter our folder. */
const USER = process.getuid?.() === 0 ? 'user root;' : '';
const TEMP_FOLDERS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const configure = (origin: string, port: number, dir: string): string => `
daemon off;
${USER}
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  ${TEMP_FOLDERS.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${origin};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_read_timeout 1h;
    }
  }
}
`;

/** null: it is not installed here. */
export async function startNginx(origin: string, dir: string): Promise<Standing | null> {
  if (nginx.version() === null) return null;
  const port = await freePort();
  const file = join(dir, 'nginx.conf');
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, configure(origin, port, dir));
  const child = new Launched('nginx', ['nginx', '-e', join(dir, 'error.log'), '-c', file], GATEWAY_CORE);
  await child.listening(port);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, warmsUp: false, stop: () => child.stop() };
}
