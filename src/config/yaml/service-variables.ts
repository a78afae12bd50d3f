/** Services in the environment: `AUTH_SERVICE_URL` is the service `auth`. */
import type { Draft } from '../draft.js';
import { origin } from '../fields.js';
import type { Complaint } from '../mistakes.js';
import { endpoint, type ServiceConfig } from '../schema/services/service.js';
import type { Environment } from './environment.js';

const VARIABLE = /^([A-Za-z0-9][A-Za-z0-9_]*)_SERVICE_URL$/i;
const MAPPING = 'another name, discover: env, or the variable unset';

interface RawServices {
  readonly services?: unknown;
  readonly discovery?: unknown;
}

/** The configuration as if each service of the environment were written in it, if it asks for them. */
export function withServiceVariables<R extends RawServices>(
  raw: R,
  environment: Environment,
): { raw: R; complaints: Complaint[] } {
  if (member(raw.discovery, 'env') !== true) return { raw, complaints: [] };
  if (raw.services !== undefined && !isMapping(raw.services)) return { raw, complaints: [] };
  const complaints: Complaint[] = [];
  const written: Readonly<Record<string, unknown>> = raw.services ?? {};
  const claimed = new Set(Object.entries(written).map(([name, service]) => claimedBy(name, service)));
  const services: Record<string, unknown> = { ...written };
  for (const [name, [variable = '', ...others]] of serviceVariables(environment)) {
    if (claimed.has(variable)) continue;
    if (others.length > 0) complaints.push(ambiguous(['discovery', 'env'], name, [variable, ...others]));
    if (Object.hasOwn(written, name)) {
      complaints.push({
        path: ['services', name],
        at: 'key',
        message: `the environment has a service "${name}", too: ${variable}`,
        expected: MAPPING,
      });
    } else services[name] = { discover: { env: variable } };
  }
  return { raw: { ...raw, services }, complaints };
}

/** Puts in the endpoints of services that take them from the environment. */
export function resolveServiceVariables(
  draft: Draft,
  environment: Environment,
  complain: (complaint: Complaint) => void,
): Draft {
  const resolve = <S extends ServiceConfig | undefined>(name: string, service: S): S => {
    if (service?.discover?.type !== 'env') return service;
    return { ...service, endpoints: endpointsOf(name, service.discover.variable, environment, complain) };
  };
  const services = new Map([...draft.services].map(([name, service]) => [name, resolve(name, service)]));
  const { config } = draft;
  if (config === undefined) return { ...draft, services };
  const resolved = Object.keys(config.services).map((name) => [name, services.get(name)]);
  return { ...draft, services, config: { ...config, services: Object.fromEntries(resolved) } };
}

/** The variable that holds the URLs of a service: `user-profile` is in `USER_PROFILE_SERVICE_URL`. */
export function variableOf(service: string): string {
  return `${service.replace(/[^A-Za-z0-9]/g, '_').toUpperCase()}_SERVICE_URL`;
}

function endpointsOf(
  name: string,
  named: string | null,
  environment: Environment,
  complain: (complaint: Complaint) => void,
): ServiceConfig['endpoints'] {
  const variable = named ?? variableOf(name);
  const path = ['services', name, 'discover'];
  const same = named === null ? (serviceVariables(environment).get(name) ?? []) : [];
  if (same.length > 1) complain(ambiguous(path, name, same));
  const urls = (environment[variable] ?? '').split(',').flatMap((part) => part.trim() || []);
  if (urls.length === 0) {
    complain({
      path,
      message: `the environment variable ${variable} is not set`,
      expected: `it to be set, as in ${variable}=http://10.0.0.1:9001,http://10.0.0.2:9001`,
    });
  }
  const seen = new Set<string>();
  return urls.flatMap((written) => {
    const url = origin().safeParse(written);
    if (!url.success) {
      const [issue] = url.error.issues;
      complain({
        path,
        message: `the environment variable ${variable}: ${issue?.message ?? 'not a URL'}`,
        expected: 'http://host:port or https://host:port, several separated by commas',
      });
      return [];
    }
    if (seen.has(url.data)) {
      complain({ path, message: `the environment variable ${variable} names ${url.data} twice` });
      return [];
    }
    seen.add(url.data);
    return [endpoint.parse(url.data)];
  });
}

/** By the name of the service; variables that are empty do not count. */
function serviceVariables(environment: Environment): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const variable of Object.keys(environment).sort()) {
    const name = VARIABLE.exec(variable)?.[1]?.toLowerCase().replaceAll('_', '-');
    if (name === undefined || (environment[variable] ?? '').trim() === '') continue;
    found.set(name, [...(found.get(name) ?? []), variable]);
  }
  return found;
}

/** The variable of a service that says that it comes from the environment; null: it does not. */
function claimedBy(name: string, service: unknown): string | null {
  const discover = member(service, 'discover');
  if (discover === 'env') return variableOf(name);
  const variable = member(discover, 'env');
  return typeof variable === 'string' ? variable : null;
}

function ambiguous(path: Complaint['path'], name: string, variables: readonly string[]): Complaint {
  return {
    path,
    message: `the environment variables ${variables.join(' and ')} are both the service "${name}"`,
    expected: 'one of them',
  };
}

function member(value: unknown, key: string): unknown {
  return isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
