import { allowedServices } from '../../../route/dynamic.js';
import type { Draft } from '../../draft.js';
import { valueAt } from '../../mistakes.js';
import { readCertificate } from '../certificates.js';
import type { Report } from '../report.js';
import { checkHealth } from './health.js';
import { checkSource } from './sources.js';

/** What stands behind: files that exist, endpoints that are named once, services that some route uses. */
export function checkServices({ raw, services, routes }: Draft, folder: string, report: Report): void {
  const used = new Set(
    routes.flatMap(({ raw, route }) => [
      raw.service,
      ...allowedServices({ allow: route?.allow }, services),
      ...(route?.fallback ?? []).map(({ service }) => service),
      route?.channels?.upstream?.service,
    ]),
  );
  for (const [name, service] of services) {
    const path = ['services', name];
    if (!used.has(name)) report.warning({ path, at: 'key', message: `no route uses the service "${name}"` });
    if (service === undefined) continue;
    checkSource(valueAt(raw, path), service, path, report);
    checkHealth(name, service, (raw.services as Record<string, unknown> | undefined)?.[name], report);
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
