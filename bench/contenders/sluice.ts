import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GATEWAY_CORE, Launched } from '../proc.ts';
import type { Contender, Standing } from './contender.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url);

/** As it ships, metrics and request ids included; only the access log is off, as it is for the others. */
const configure = (origin: string, extra: SluiceOptions): string => `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
accessLog: off
services:
  bench:
    endpoints: [${origin}]
    ${extra.service ?? ''}
routes:
  - name: bench
    match: { path: '/*' }
    service: bench
    ${extra.route ?? ''}
`;

export interface SluiceOptions {
  /** A line of YAML for the service, e.g. `connections: { keepAlive: 1s }`. */
  service?: string;
  /** A line of YAML for the route, e.g. `requestSize: { maxBody: 2GiB }`. */
  route?: string;
  /** 1 unless said. */
  workers?: number;
}

/** Sluice as one process in front of `origin`. */
export async function startSluice(
  origin: string,
  dir: string,
  options: SluiceOptions = {},
): Promise<Standing & { pid: number; admin: string }> {
  const file = join(dir, 'sluice.yaml');
  writeFileSync(file, configure(origin, options));
  const workers = String(options.workers ?? 1);
  const command = [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', workers];
  const child = new Launched('sluice', command, GATEWAY_CORE);
  const { url, admin } = await child.ready();
  return { url, admin: admin ?? '', pid: child.pid, warmsUp: true, stop: () => child.stop() };
}

export const sluice: Contender = {
  name: 'Sluice',
  version() {
    if (!existsSync(MAIN)) return null;
    const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    return (JSON.parse(manifest) as { version: string }).version;
  },
  start: (origin, dir) => startSluice(origin, dir),
};
