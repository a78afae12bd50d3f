import { allowedServices } from '../../route/dynamic.js';
import type { Draft } from '../draft.js';
import { type Path, valueAt } from '../mistakes.js';
import type { ServiceConfig } from '../schema/service.js';
import { readCertificate } from './certificates.js';
import type { Report } from './report.js';

/** What stands behind: files that exist, endpoints that are named once, services that some route uses. */
export function checkServices({ raw, services, routes }: Draft, folder: string, report: Report): void {
  const used = new Set(
    routes.flatMap(({ raw, route }) => [raw.service, ...allowedServices({ allow: route?.allow }, services)]),
  );
  for (const [name, service] of services) {
    const path = ['services', name];
    if (!used.has(name)) report.warning({ path, at: 'key', message: `no route uses the service "${name}"` });
    if (service === undefined) continue;
    checkSource(valueAt(raw, path), path, report);
    checkCertificateName(service, path, report);
    if (service.tls.ca !== undefined) readCertificate(service.tls.ca, [...path, 'tls', 'ca'], folder, report);
    const seen = new Set<string>();
    const written = service.discover === undefined ? service.endpoints : [];
    for (const [index, { url }] of written.entries()) {
      if (seen.has(url)) {
        report.mistake({
          path: [...path, 'endpoints', index],
          message: `${url} is an endpoint of "${name}" already`,
          expected: 'each endpoint once; weight gives one a larger share',
        });
      }
      seen.add(url);
    }
  }
}

/** Endpoints are written, or found; not both, because nothing could say which of the two is meant when they differ. */
function checkSource(service: unknown, path: Path, report: Report): void {
  const [isWritten, isFound] = ['endpoints', 'discover'].map((key) => valueAt(service, [key]) !== undefined);
  if (isWritten !== isFound) return;
  report.mistake({
    path: isFound ? [...path, 'discover'] : path,
    at: 'key',
    message: isFound ? 'endpoints and discover exclude each other' : 'nothing says where the service is',
    expected: 'exactly one of endpoints, discover',
  });
}

/** The name that is asked for is not the name of an instance: nothing says what its certificate must be for. */
function checkCertificateName({ discover, tls }: ServiceConfig, path: Path, report: Report): void {
  if (discover?.type !== 'dns' || discover.dns.type !== 'SRV' || discover.dns.scheme !== 'https') return;
  if (tls.servername !== undefined || !tls.verify) return;
  report.mistake({
    path: [...path, 'discover'],
    message: 'nothing says which name the certificates of these instances are for',
    expected: 'tls.servername beside it',
  });
}
