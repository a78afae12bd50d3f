import type { RouteConfig } from '../config/schema/route.js';
import type { Config } from '../config/schema.js';
import { TOKEN } from '../listen/method.js';
import { allowedServices, serviceParameter } from '../route/dynamic.js';
import { normalHost } from '../route/host.js';
import { explain as explainRequest, formatExplanation } from '../route/inspect/explain.js';
import { canonicalPath, hasEncodedSlash, pathFault, validQuery } from '../route/path.js';
import { NEVER_FORWARDED } from '../route/why-none.js';
import { CONFIG_OPTION, type Command, FAILED, OK, UsageError } from './command.js';
import { readConfiguration } from './configuration.js';

export const explain: Command = {
  usage: "-c FILE METHOD URL [-H 'name: value']…",
  description: `Says which route takes a request and why, and what the near misses lack. Sends nothing.
URL is a path with or without a query (/users/7?full=1), or begins with http://host. Exit code 0 when a route takes the
request, else 1.`,
  options: {
    config: CONFIG_OPTION,
    header: {
      type: 'string',
      short: 'H',
      value: "'name: value'",
      multiple: true,
      description: 'A header of the request; may be repeated.',
    },
  },
  operands: ['METHOD', 'URL'],
  run(input) {
    const [method = '', url = ''] = input.operands;
    const headers = readHeaders(input.list('header'));
    const target = readTarget(url);
    const config = readConfiguration(input.needed('config'));
    if (config === null) return FAILED;
    const authority = headers.get('host') ?? target.host;
    const host = normalHost(authority);
    const path = canonicalPath(target.path);
    // In the order in which the gateway looks at them.
    if (!TOKEN.test(method)) return refuse(`400, "${method}" is not a method`);
    if (host === '') return refuse(`400, "${authority}" is not a host`);
    if (path === '') return refuse(`400, ${pathFault(target.path)}`);
    if (!validQuery(target.query))
      return refuse('400, The query holds a character that must be percent-encoded.');
    if (NEVER_FORWARDED.has(method)) return refuse(`405, ${method} is refused whatever the route`);
    const explanation = explainRequest(config.routes, {
      method,
      path,
      query: target.query,
      host,
      header: (name) => headers.get(name),
    });
    const taken = explanation.route && config.routes[explanation.route.index];
    const named = taken ? namedService(taken, explanation.params, config) : { refused: false, lines: [] };
    process.stdout.write(`${[...formatExplanation(explanation), ...named.lines].join('\n')}\n`);
    if (named.refused) return FAILED;
    const accepted = taken?.match.encodedSlashes || !hasEncodedSlash(path);
    return taken && accepted ? OK : FAILED;
  },
};

/** Which service the path names, for a route that leaves it to the path. */
function namedService(
  route: RouteConfig,
  params: Readonly<Record<string, string>>,
  { services }: Config,
): { refused: boolean; lines: string[] } {
  const parameter = serviceParameter(route);
  if (parameter === null) return { refused: false, lines: [] };
  const name = params[parameter] ?? '';
  const allowed = allowedServices(route, Object.entries(services));
  const refused = !allowed.includes(name);
  const among = `the services allowed are ${allowed.join(', ')}`;
  const line = refused ? `404, "${name}" is none of them: ${among}` : `service ${name}: ${among}`;
  return { refused, lines: [`  ${line}`] };
}

function refuse(outcome: string): number {
  process.stdout.write(`${outcome}\n`);
  return FAILED;
}

/** By lower-case name; the first of several counts, as it does for routes. */
function readHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new UsageError(`-H '${line}': expected 'name: value'`);
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

/** Not by `URL`, which would resolve the dot segments and escapes that the gateway refuses. */
function readTarget(url: string): { host: string; path: string; query: string } {
  const parts = /^(?:https?:\/\/([^/?#]+))?([^?#]*)(?:\?([^#]*))?/i.exec(url);
  const [, host = 'localhost', path = '', query = ''] = parts ?? [];
  if (path !== '' && !path.startsWith('/'))
    throw new UsageError(`"${url}" is neither a path nor an http:// URL`);
  return { host, path: path === '' ? '/' : path, query };
}
