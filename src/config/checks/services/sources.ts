import type { Draft } from '../../draft.js';
import { type Path, valueAt } from '../../mistakes.js';
import type { ServiceConfig } from '../../schema/services/service.js';
import type { Report } from '../report.js';

/** Endpoints are written, or found; not both, because nothing could say which of the two is meant when they differ. */
export function checkSource(written: unknown, service: ServiceConfig, path: Path, report: Report): void {
  checkCertificateName(service, path, report);
  const [isWritten, isFound] = ['endpoints', 'discover'].map((key) => valueAt(written, [key]) !== undefined);
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

/** A registry that nobody can register in, or nobody from where instances usually are. */
export function checkRegistry(
  { services, settings: { admin, redis, registry } }: Draft,
  report: Report,
): void {
  const [name] = [...services].find(([, service]) => service?.discover?.type === 'registry') ?? [];
  if (name === undefined) return;
  const path = ['services', name, 'discover'];
  if (redis === null && admin === null) {
    report.warning({ path, message: 'nothing can register: there is neither redis nor the admin API' });
  }
  if (registry.networks.length > 0 || registry.allowLoopback) return;
  report.warning({
    path,
    message: 'only public addresses can be registered: registry.networks lists no network',
    expected: 'registry: { networks: [10.0.0.0/8] }, or those in which instances are',
  });
}
