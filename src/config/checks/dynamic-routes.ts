import { allowedServices, serviceParameter, tagIn } from '../../route/dynamic.js';
import { checkPathPattern, paramNames } from '../../route/pattern.js';
import { didYouMean } from '../did-you-mean.js';
import type { Draft, DraftRoute } from '../draft.js';
import { type Path, valueAt } from '../mistakes.js';
import type { Report } from './report.js';

/** Whether the service of a route is to be read out of the request, rightly or not. */
export function isDynamic(raw: DraftRoute['raw']): boolean {
  return typeof raw.service === 'string' && raw.service.includes('${');
}

/** A service named by the path needs a parameter that the path has, and a list of what it may name. */
export function checkDynamicRoute({ index, raw }: DraftRoute, report: Report): void {
  const path = ['routes', index, 'service'];
  const parameter = serviceParameter({ service: String(raw.service) });
  if (parameter === null) {
    report.mistake({
      path,
      message: `"${raw.service}" does not name a service`,
      expected: 'the name of a service, or ${param.NAME} alone, for a parameter of the path',
    });
  } else checkParameter(raw, parameter, path, report);
  if (!Object.hasOwn(raw, 'allow')) {
    report.mistake({
      path,
      message: 'the path would say which service answers, with nothing to say which ones it may',
      expected: 'allow: a list of services, or of tags as in tag:public',
    });
  }
}

function checkParameter(raw: DraftRoute['raw'], parameter: string, path: Path, report: Report): void {
  const pattern = valueAt(raw, ['match', 'path']);
  if (typeof pattern !== 'string' || checkPathPattern(pattern) !== null) return;
  // The rest of a path may hold slashes, which no name of a service does.
  const names = paramNames(pattern).filter((name) => name !== '*');
  if (names.includes(parameter)) return;
  const meant = didYouMean(parameter, names);
  report.mistake({
    path,
    message: `${pattern} has no parameter ":${parameter}"`,
    expected:
      names.length === 0
        ? 'a path such as /api/:service/*'
        : names.map((name) => `\${param.${name}}`).join(', '),
    suggestion: meant === undefined ? undefined : `\${param.${meant}}`,
  });
}

/** What `allow` names must exist, and be of use. */
export function checkAllow({ index, raw }: DraftRoute, services: Draft['services'], report: Report): void {
  const path = ['routes', index, 'allow'];
  if (!Object.hasOwn(raw, 'allow')) return;
  if (!isDynamic(raw)) {
    report.mistake({
      path,
      at: 'key',
      message: 'allow is for routes whose path names the service',
      expected: 'service: ${param.NAME} beside it, or no allow',
    });
    return;
  }
  if (!Array.isArray(raw.allow)) return;
  const names = [...services.keys()];
  for (const [at, entry] of raw.allow.entries()) {
    if (typeof entry !== 'string' || allowedServices({ allow: [entry] }, services).length > 0) continue;
    const tag = tagIn(entry);
    if (tag !== null && [...services.values()].includes(undefined)) continue; // one that cannot be read may carry it
    report.mistake({
      path: [...path, at],
      message: tag === null ? `there is no service "${entry}"` : `no service has the tag "${tag}"`,
      expected: tag === null ? `one of ${names.join(', ')}` : `a tag of a service, as in tags: [${tag}]`,
      suggestion: tag === null ? didYouMean(entry, names) : undefined,
    });
  }
}
