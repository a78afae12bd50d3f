import { BlockList, isIP } from 'node:net';
import type { Draft } from '../draft.js';
import type { Config } from '../schema.js';
import { keepsIdentities, sharesLimits, usable, usesChannels, usesIdempotency } from '../uses.js';
import { checkCertificate } from './certificates.js';
import type { Report } from './report.js';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** What listens: ports, the admin's token, certificates. `folder` is where relative file names start. */
export function checkListeners(draft: Draft, folder: string, report: Report): void {
  const { settings } = draft;
  const { listen, admin, redis } = settings;
  if (admin !== null && admin.token === null && !isLoopback(admin.host)) {
    report.mistake({
      path: ['admin'],
      message: `the admin port listens on ${admin.host} without a token: whoever reaches it could reload and read the configuration`,
      expected: 'admin.token, or a loopback address such as 127.0.0.1',
    });
  }
  if (admin !== null && admin.port !== 0 && admin.port === listen.port && overlap(admin.host, listen.host)) {
    report.mistake({
      path: ['admin'],
      message: `port ${admin.port} is taken by "listen" already`,
      expected: 'another port',
    });
  }
  if (redis !== null && settings.data === null && !usesRedis(draft)) {
    report.warning({ path: ['redis'], at: 'key', message: 'nothing in this configuration uses Redis' });
  }
  if (listen.tls !== null) checkTls(listen.tls, folder, report);
}

function usesRedis(draft: Draft): boolean {
  const config = usable(draft);
  return keepsIdentities(config) || usesIdempotency(config) || sharesLimits(config) || usesChannels(config);
}

function checkTls(tls: NonNullable<Config['listen']['tls']>, folder: string, report: Report): void {
  checkCertificate(tls, ['listen', 'tls'], folder, report);
  const lines = new Map<string, number>();
  for (const [index, certificate] of tls.sni.entries()) {
    const path = ['listen', 'tls', 'sni', index];
    checkCertificate(certificate, path, folder, report);
    const { host } = certificate;
    const line = lines.get(host);
    if (line !== undefined) {
      report.mistake({
        path: [...path, 'host'],
        message: `"${host}" has a certificate already, on line ${line}`,
      });
    }
    lines.set(host, report.lineOf([...path, 'host']));
  }
}

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function overlap(a: string, b: string): boolean {
  const any = (host: string) => host === '0.0.0.0' || host === '::';
  return a === b || any(a) || any(b);
}
