import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Path } from '../mistakes.js';
import type { Report } from './report.js';

interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string | undefined;
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a folder',
};

/** A certificate and its key: both there, both readable, made for each other. `folder` is where relative names start. */
export function checkCertificate(files: CertificateFiles, path: Path, folder: string, report: Report): void {
  const certificate = readCertificate(files.cert, [...path, 'cert'], folder, report);
  const key = readKey(files, [...path, 'key'], folder, report);
  if (certificate === null) return;
  if (certificate.validToDate.getTime() < Date.now()) {
    report.warning({ path: [...path, 'cert'], message: `${files.cert} expired on ${certificate.validTo}` });
  }
  if (key === null || certificate.checkPrivateKey(key)) return;
  report.mistake({
    path: [...path, 'key'],
    message: `${files.key} is not the key of ${files.cert}`,
    expected: 'the private key of the first certificate in that file',
  });
}

/** The first certificate in a file; null, with a complaint, when there is none. */
export function readCertificate(
  file: string,
  path: Path,
  folder: string,
  report: Report,
): X509Certificate | null {
  const pem = readNamedFile(file, path, folder, report);
  if (pem === null) return null;
  try {
    return new X509Certificate(pem);
  } catch {
    report.mistake({ path, message: `${file} holds no certificate`, expected: 'a PEM file' });
    return null;
  }
}

function readKey(
  { key: file, passphrase }: CertificateFiles,
  path: Path,
  folder: string,
  report: Report,
): KeyObject | null {
  const pem = readNamedFile(file, path, folder, report);
  if (pem === null) return null;
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) });
  } catch {
    if (!pem.includes('ENCRYPTED')) {
      report.mistake({ path, message: `${file} holds no private key`, expected: 'a PEM file' });
    } else if (passphrase === undefined) {
      report.mistake({ path, message: `${file} is encrypted`, expected: 'a passphrase' });
    } else {
      report.mistake({ path, message: `${file} cannot be read with this passphrase` });
    }
    return null;
  }
}

function readNamedFile(name: string, path: Path, folder: string, report: Report): string | null {
  const file = resolve(folder, name);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    report.mistake({ path, message: `${file} ${UNREADABLE[code] ?? `cannot be read: ${message}`}` });
    return null;
  }
}
