import { IDENTITY_HEADERS } from '../../services/introduction.js';
import { templateFault, variableNames } from '../../template.js';
import { didYouMean } from '../did-you-mean.js';
import type { Path } from '../mistakes.js';
import type { FilterOptions } from '../schema/route.js';
import type { Report } from './report.js';

type Way = 'request' | 'response';
type Operations = NonNullable<FilterOptions['headers']>[Way];

const HOP_BY_HOP = 'belongs to one connection, not to the message (RFC 9110 §7.6.1): Sluice writes its own';
const FRAMING = 'says where the message ends (RFC 9112 §6): Sluice writes what fits the body';

/** Headers that are Sluice's own business, and why. */
const OWN_BOTH_WAYS: Readonly<Record<string, string>> = {
  connection: HOP_BY_HOP,
  'keep-alive': HOP_BY_HOP,
  'proxy-connection': HOP_BY_HOP,
  te: HOP_BY_HOP,
  trailer: HOP_BY_HOP,
  upgrade: HOP_BY_HOP,
  'transfer-encoding': FRAMING,
  'content-length': FRAMING,
};

const OWN: Readonly<Record<Way, Readonly<Record<string, string>>>> = {
  request: {
    ...OWN_BOTH_WAYS,
    host: 'is chosen by rewrite.host: endpoint or keep',
    expect: 'is answered by Sluice itself',
  },
  response: { ...OWN_BOTH_WAYS, date: 'is written by the listener' },
};

const ABOUT_THE_WAY = /^(?:via|forwarded|x-forwarded-.*|x-request-id|x-real-ip|authorization|cookie)$/;

/**
 * The operations of the `headers` filter. `params` are the names of the route's path parameters, null for the defaults, which
 * stand for routes with different paths.
 */
export function checkHeaderOperations(
  options: FilterOptions['headers'],
  path: Path,
  params: readonly string[] | null,
  report: Report,
): void {
  if (options === undefined) return;
  for (const way of ['request', 'response'] as const)
    checkOneWay(options[way], way, [...path, way], params, report);
}

/** The headers of a `respond`. */
export function checkRespondHeaders(
  headers: Readonly<Record<string, string>>,
  path: Path,
  report: Report,
): void {
  for (const name of Object.keys(headers)) refuseOwn(name, 'response', [...path, name], 'key', report);
}

/** A header that a claim is mapped to. Under a name of ours, services would see two values and believe either. */
export function checkMappedHeader(name: string, path: Path, report: Report): void {
  const spelled = name.toLowerCase().replaceAll('_', '-');
  if (!IDENTITY_HEADERS.some((header) => header === spelled))
    return checkClaimHeader(name, path, 'key', report);
  report.mistake({
    path,
    at: 'key',
    message: `"${name}" is where Sluice itself says who is calling`,
    expected: 'another name, or `claims` of the provider, which say who the user is',
  });
}

/** Headers under which services learn who is calling. */
export function checkClaimHeader(name: string, path: Path, at: 'key' | 'value', report: Report): void {
  const lower = name.toLowerCase();
  if (!ABOUT_THE_WAY.test(lower)) return refuseOwn(name, 'request', path, at, report);
  report.mistake({ path, at, message: `"${name}" tells the way of a request, which Sluice writes itself` });
}

/** The variables in a value. */
export function checkTemplate(
  text: string,
  path: Path,
  params: readonly string[] | null,
  report: Report,
): void {
  const fault = templateFault(text, params ?? []);
  if (fault === null) return;
  const { variable, message } = fault;
  if (variable.startsWith('param.')) {
    const names = (params ?? []).map((name) => `param.${name}`);
    const suggestion = didYouMean(variable, names);
    report.mistake({
      path,
      message: params === null ? `\${${variable}} has no meaning for all routes` : message,
      expected: names.length === 0 ? undefined : `one of ${names.join(', ')}`,
      suggestion: suggestion && `\${${suggestion}}`,
    });
    return;
  }
  const suggestion = didYouMean(variable, variableNames);
  report.mistake({
    path,
    message,
    expected: `one of ${variableNames.join(', ')}`,
    suggestion: suggestion && `\${${suggestion}}`,
  });
}

function checkOneWay(
  operations: Operations,
  way: Way,
  path: Path,
  params: readonly string[] | null,
  report: Report,
): void {
  for (const operation of ['set', 'add'] as const) {
    for (const [name, value] of Object.entries(operations[operation])) {
      refuseOwn(name, way, [...path, operation, name], 'key', report);
      checkTemplate(value, [...path, operation, name], params, report);
    }
  }
  for (const [index, name] of operations.remove.entries()) {
    refuseOwn(name, way, [...path, 'remove', index], 'value', report);
  }
  for (const [from, to] of Object.entries(operations.rename)) {
    refuseOwn(from, way, [...path, 'rename', from], 'key', report);
    refuseOwn(to, way, [...path, 'rename', from], 'value', report);
  }
  refuseUndone(operations, path, report);
}

/** A header that is removed is neither renamed nor set: operations run in the order rename, remove, set, add. */
function refuseUndone({ set, remove, rename }: Operations, path: Path, report: Report): void {
  const lower = (names: object) => new Set(Object.keys(names).map((name) => name.toLowerCase()));
  const areSet = lower(set);
  const areRenamed = lower(rename);
  for (const [index, name] of remove.entries()) {
    const refuse = (reason: string) =>
      report.mistake({
        path: [...path, 'remove', index],
        message: `"${name}" is ${reason}`,
        expected: 'one of the two',
      });
    if (areSet.has(name.toLowerCase())) refuse('set too, which drops what was there');
    if (areRenamed.has(name.toLowerCase())) refuse('renamed too, and has another name by then');
  }
}

function refuseOwn(name: string, way: Way, path: Path, at: 'key' | 'value', report: Report): void {
  const lower = name.toLowerCase();
  if (Object.hasOwn(OWN[way], lower)) report.mistake({ path, at, message: `"${name}" ${OWN[way][lower]}` });
}
