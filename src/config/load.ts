/** Reads a configuration file: YAML, environment, schema, then the checks that span several options. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { checkAuth } from './checks/auth.js';
import { checkChannels } from './checks/channels.js';
import { checkIdempotency } from './checks/idempotency.js';
import { checkLimitSync } from './checks/limits/limit-sync.js';
import { checkLimits } from './checks/limits/limits.js';
import { checkPlans } from './checks/limits/plans.js';
import { checkListeners } from './checks/listeners.js';
import { checkOverload } from './checks/overload.js';
import type { Report } from './checks/report.js';
import { checkResilience } from './checks/resilience/routes.js';
import { checkRoutes } from './checks/routes.js';
import { checkBalance } from './checks/services/balance.js';
import { checkServices } from './checks/services/services.js';
import { checkRegistry } from './checks/services/sources.js';
import { checkSockets, withMessageSchemas } from './checks/sockets.js';
import { draftConfig } from './draft.js';
import { type Mistake, type Path, sortMistakes, valueAt } from './mistakes.js';
import type { AuthConfig, Material } from './schema/auth.js';
import type { Config } from './schema.js';
import { keepsIdentities, usesIdempotency, usesQuotas } from './uses.js';
import { ConfigDocument } from './yaml/document.js';
import type { Environment } from './yaml/environment.js';
import { resolveServiceVariables, withServiceVariables } from './yaml/service-variables.js';

const MAPPING = 'a mapping with listen, services, routes';

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Mistake[] }
  | { readonly ok: false; readonly mistakes: readonly Mistake[]; readonly warnings: readonly Mistake[] };

/** Reads and checks a file. Never throws for what is in it; all its mistakes come at once, in the order of the file. */
export function loadConfig(file: string, environment: Environment = process.env): LoadResult {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    return {
      ok: false,
      mistakes: [{ file, line: 0, col: 0, path: '', message: whyUnreadable(error) }],
      warnings: [],
    };
  }
  return parseConfig(text, file, environment);
}

/** The same for a text. `file` names it in messages; files that it names are looked for in that file's folder. */
export function parseConfig(text: string, file: string, environment: Environment = process.env): LoadResult {
  const document = new ConfigDocument(text, file, environment);
  const mistakes = [...document.mistakes];
  const warnings = [...document.warnings];
  const { value } = document;
  if (!isMapping(value)) {
    if (mistakes.length === 0)
      mistakes.push(document.locate({ path: [], message: whatElse(value), expected: MAPPING }));
    return { ok: false, mistakes: sortMistakes(mistakes), warnings };
  }

  const folder = dirname(resolve(file));
  const completed = withServiceVariables(value, environment);
  const { draft: written, complaints } = draftConfig(completed.raw);
  const report: Report = {
    mistake: (complaint) => {
      if (!document.isIncomplete(complaint)) mistakes.push(document.locate(complaint));
    },
    warning: (complaint) => warnings.push(document.locate(complaint)),
    written: (...paths) => paths.find((path) => valueAt(value, path) !== undefined) ?? (paths.at(-1) as Path),
    lineOf: (path) => document.locate({ path, message: '' }).line,
  };
  for (const complaint of [...completed.complaints, ...complaints]) report.mistake(complaint);
  const draft = resolveServiceVariables(written, environment, report.mistake);
  checkListeners(draft, folder, report);
  checkServices(draft, folder, report);
  checkRegistry(draft, report);
  checkBalance(draft, report);
  checkAuth(draft, folder, report);
  checkLimits(draft, report);
  checkIdempotency(draft, report);
  checkOverload(draft, report);
  checkPlans(draft, report);
  checkLimitSync(draft, report);
  checkRoutes(draft, report);
  checkSockets(draft, folder, report);
  checkChannels(draft, report);
  checkResilience(draft, report);

  if (mistakes.length > 0 || draft.config === undefined) {
    return { ok: false, mistakes: sortMistakes(mistakes), warnings: sortMistakes(warnings) };
  }
  return { ok: true, config: withAbsoluteFiles(draft.config, folder), warnings: sortMistakes(warnings) };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function whatElse(value: unknown): string {
  if (value === null) return 'the file is empty';
  return `the file holds ${Array.isArray(value) ? 'a list' : 'a single value'}`;
}

function whyUnreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'the file does not exist';
  if (code === 'EACCES') return 'the file may not be read by this user';
  if (code === 'EISDIR') return 'this is a folder; expected a YAML file';
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'the file is not UTF-8 text';
  return `the file cannot be read: ${message}`;
}

/** Workers may run in another folder than the one the configuration is in. */
function withAbsoluteFiles(config: Config, folder: string): Config {
  const absolute = <C extends { cert: string; key: string }>(certificate: C): C => ({
    ...certificate,
    cert: resolve(folder, certificate.cert),
    key: resolve(folder, certificate.key),
  });
  const { tls } = config.listen;
  const services = Object.entries(config.services).map(([name, service]) => {
    const { ca, servername = nameOfDns(service) } = service.tls;
    const tls = { ...service.tls, ...(ca !== undefined && { ca: resolve(folder, ca) }) };
    return [name, { ...service, tls: { ...tls, ...(servername !== undefined && { servername }) } }];
  });
  return {
    ...config,
    routes: withMessageSchemas(config.routes, folder),
    listen: { ...config.listen, tls: tls && { ...absolute(tls), sni: tls.sni.map(absolute) } },
    services: Object.fromEntries(services),
    data: storeFolder(config, folder),
    auth: withAbsoluteMaterial(config.auth, folder),
  };
}

/** Endpoints found in the DNS are addresses, and no certificate is for those. */
function nameOfDns({ discover }: Config['services'][string]): string | undefined {
  if (discover?.type !== 'dns' || discover.dns.scheme !== 'https') return undefined;
  return discover.dns.name.replace(/\.$/, '');
}

/** null: nothing needs a store, and none is wished for. */
function storeFolder(config: Config, folder: string): string | null {
  const { data, redis } = config;
  const byKeys = redis === null && usesIdempotency(config);
  const isNeeded = keepsIdentities(config) || byKeys || usesQuotas(config);
  return data !== null || isNeeded ? resolve(folder, data ?? './data') : null;
}

function withAbsoluteMaterial(auth: AuthConfig, folder: string): AuthConfig {
  const absolute = (material: Material): Material =>
    'file' in material ? { file: resolve(folder, material.file) } : material;
  const providers = Object.entries(auth.providers).map(([name, provider]) => {
    if (provider.type !== 'jwt') return [name, provider];
    const { secret, publicKey } = provider;
    return [
      name,
      {
        ...provider,
        ...(secret && { secret: secret.map(absolute) }),
        ...(publicKey && { publicKey: publicKey.map(absolute) }),
      },
    ];
  });
  const { jwt } = auth.context;
  return {
    ...auth,
    providers: Object.fromEntries(providers),
    context: { ...auth.context, ...(jwt && { jwt: { ...jwt, key: absolute(jwt.key) } }) },
  };
}
