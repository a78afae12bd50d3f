/** The same gateway with one endpoint, and with three under each policy. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GATEWAY_CORE, Launched, workspace } from '../proc.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url);

export interface Setting {
  readonly name: string;
  /** How many of the services stand behind it. */
  readonly endpoints: number;
  /** YAML of the service. */
  readonly options: string;
  /** Cookies that the gateway itself adds to an answer. */
  readonly cookies?: number;
}

export const PLAIN: Setting = { name: 'one endpoint', endpoints: 1, options: '' };

/** What a service may well have switched on together. */
export const SETTINGS: readonly Setting[] = [
  { name: 'round-robin', endpoints: 3, options: '' },
  { name: 'random', endpoints: 3, options: 'balance: random' },
  { name: 'least-requests', endpoints: 3, options: 'balance: least-requests' },
  { name: 'peak-ewma', endpoints: 3, options: 'balance: peak-ewma' },
  {
    name: 'consistent-hash',
    endpoints: 3,
    options: 'balance: { type: consistent-hash, by: ip, maxLoad: 1.25 }',
  },
  {
    name: 'sticky, each client new',
    endpoints: 3,
    options: 'sticky: { cookie: at, secret: 0123456789abcdef }',
    cookies: 1,
  },
];

export interface Running {
  readonly setting: Setting;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function start(setting: Setting, origins: readonly string[]): Promise<Running> {
  const file = join(workspace(), 'sluice.yaml');
  const endpoints = origins
    .slice(0, setting.endpoints)
    .map((origin) => `'${origin}'`)
    .join(', ');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
admin: 127.0.0.1:0
accessLog: off
services:
  bench:
    endpoints: [${endpoints}]
    ${setting.options}
routes:
  - { name: bench, match: { path: '/*' }, service: bench }
`,
  );
  const command = [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', '1'];
  const child = new Launched(`sluice (${setting.name})`, command, GATEWAY_CORE);
  const { url } = await child.ready();
  return { setting, url, pid: child.pid, stop: () => child.stop() };
}
