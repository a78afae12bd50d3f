import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { resolve } from 'node:path';
import type { Draft } from '../draft.js';
import type { Path } from '../mistakes.js';
import type { Report } from './report.js';

interface Certificate {
  cert: string;
  key: string;
  passphrase?: string | undefined;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** What listens: ports, the admin's token, certificates. `folder` is where relative file names start. */
export function checkListeners({ settings }: Draft, folder: string, report: Report): void {
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
  if (redis !== null) {
    report.warning({ path: ['redis'], at: 'key', message: 'nothing in this configuration uses Redis' });
  }
  if (listen.tls !== null) {
    checkCertificate(listen.tls, ['listen', 'tls'], folder, report);
    const names = new Map<string, number>();
    for (const [index, certificate] of listen.tls.sni.entries()) {
      const path = ['listen', 'tls', 'sni', index];
      checkCertificate(certificate, path, folder, report);
      const first = names.get(certificate.host);
      if (first === undefined) names.set(certificate.host, index);
      else {
        const line = report.lineOf(['listen', 'tls', 'sni', first, 'host']);
        report.mistake({
          path: [...path, 'host'],
          message: `"${certificate.host}" has a certificate already, on line ${line}`,
        });
      }
    }
  }
}

/** Reads a file named by the configuration; complains and gives undefined when that fails. */
export function readNamedFile(name: string, path: Path, folder: string, report: Report): Buffer | undefined {
  try {
    return readFileSync(resolve(folder, name));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'does not exist',
      EACCES: 'may not be read by this user',
      EISDIR: 'is a folder',
    };
    report.mistake({
      path,
      message: `${resolve(folder, name)} ${reasons[code ?? ''] ?? `cannot be read: ${message}`}`,
    });
    return undefined;
  }
}

function checkCertificate(
  { cert, key, passphrase }: Certificate,
  path: Path,
  folder: string,
  report: Report,
): void {
  const certPem = readNamedFile(cert, [...path, 'cert'], folder, report);
  const keyPem = readNamedFile(key, [...path, 'key'], folder, report);
  const certificate = certPem && parsed(() => new X509Certificate(certPem));
  const privateKey =
    keyPem &&
    parsed(() => createPrivateKey({ key: keyPem, ...(passphrase !== undefined && { passphrase }) }));
  if (certificate instanceof Error) {
    report.mistake({
      path: [...path, 'cert'],
      message: `${cert} holds no certificate`,
      expected: 'a PEM file',
    });
  }
  if (privateKey instanceof Error)
    report.mistake({ path: [...path, 'key'], ...keyFault(privateKey, key, passphrase) });
  if (certificate instanceof X509Certificate && privateKey && !(privateKey instanceof Error)) {
    checkPair(certificate, privateKey, { cert, key }, path, report);
  }
}

function checkPair(
  certificate: X509Certificate,
  key: KeyObject,
  names: Certificate,
  path: Path,
  report: Report,
): void {
  if (!certificate.checkPrivateKey(key)) {
    report.mistake({
      path: [...path, 'key'],
      message: `${names.key} is not the key of ${names.cert}`,
      expected: 'the private key of the first certificate in that file',
    });
  }
  if (certificate.validToDate.getTime() < Date.now()) {
    report.warning({ path: [...path, 'cert'], message: `${names.cert} expired on ${certificate.validTo}` });
  }
}

function keyFault(
  error: Error,
  file: string,
  passphrase: string | undefined,
): { message: string; expected: string } {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ERR_MISSING_PASSPHRASE') return { message: `${file} is encrypted`, expected: 'a passphrase' };
  if (passphrase !== undefined) {
    return {
      message: `${file} cannot be read with this passphrase`,
      expected: 'a private key in PEM and its passphrase',
    };
  }
  return { message: `${file} holds no private key`, expected: 'a PEM file' };
}

function parsed<T>(parse: () => T): T | Error {
  try {
    return parse();
  } catch (error) {
    return error as Error;
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
