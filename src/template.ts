/**
 * Values that name parts of the exchange: `${client.ip}`, `${param.id}`. Parsed when the configuration loads; rendering
 * is a concatenation.
 */
import type { Exchange } from './exchange.js';

export type Render = (x: Exchange) => string;

/** Variables without a name of their own part. */
const VARIABLES: Readonly<Record<string, Render>> = {
  'client.ip': (x) => x.clientIp,
  'request.id': (x) => x.id,
  'request.method': (x) => x.method,
  'request.path': (x) => x.path,
  'request.query': (x) => x.query,
  'request.host': (x) => x.authority,
  'request.scheme': (x) => x.scheme,
  'route.name': (x) => x.route?.name ?? '',
  'service.name': (x) => x.route?.service?.name ?? '',
};

/** Families of variables: `param.NAME`, `header.NAME`, `query.NAME`. */
const FAMILIES = ['param', 'header', 'query'];

/** All variables as documentation and did-you-mean list them. */
export const variableNames: readonly string[] = [
  ...Object.keys(VARIABLES),
  ...FAMILIES.map((f) => `${f}.NAME`),
];

export interface TemplateFault {
  /** What stands between the braces. */
  variable: string;
  message: string;
}

/** `$${` is a literal `${`. */
const PLACEHOLDER = /\$?\$\{([^}]*)\}/g;

/** What is wrong with a template, or null. `paramNames` are those of the route's path. */
export function templateFault(text: string, paramNames: readonly string[]): TemplateFault | null {
  for (const [found, variable] of text.matchAll(PLACEHOLDER)) {
    if (found.startsWith('$$') || Object.hasOwn(VARIABLES, variable)) continue;
    const [family, name] = splitFamily(variable);
    if (!FAMILIES.includes(family) || name === '')
      return { variable, message: `no variable is called "${variable}"` };
    if (family === 'param' && !paramNames.includes(name)) {
      return { variable, message: `the path of this route has no parameter "${name}"` };
    }
  }
  return null;
}

/** Turns a checked template into a function; a text without variables into one that returns it. */
export function compileTemplate(text: string, paramNames: readonly string[]): Render {
  return compileParts(text, literal, (name) => variable(name, paramNames));
}

/**
 * The same for the value of a header. Strings of fields hold one byte per character: what is not ASCII in the
 * configuration goes out as UTF-8.
 */
export function compileFieldValue(text: string, paramNames: readonly string[]): Render {
  return compileTemplate(fieldBytes(text), paramNames);
}

export function fieldBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/**
 * The same for the value of a query parameter: percent-encoded, so that the service reads what was meant and nothing can
 * break out of it. Parameters of the path and of the query come encoded out of the request, each in its own way.
 */
export function compileQueryValue(text: string, paramNames: readonly string[]): Render {
  return compileParts(
    text,
    (part) => literal(encodeURIComponent(part)),
    (name) => {
      const value = variable(name, paramNames);
      const meant = FAMILY_MEANING[splitFamily(name)[0]];
      return meant ? (x) => encodeURIComponent(meant(value(x))) : (x) => encodeURIComponent(value(x));
    },
  );
}

/** What the values of a family say, where that is not how they are written. */
const FAMILY_MEANING: Readonly<Record<string, (value: string) => string>> = {
  param: decodeEscapes,
  query: decodeParameter,
  header: (value) => Buffer.from(value, 'latin1').toString('utf8'),
};

function compileParts(
  text: string,
  literalPart: (text: string) => Render,
  variablePart: (name: string) => Render,
): Render {
  const parts: Render[] = [];
  let from = 0;
  for (const found of text.matchAll(PLACEHOLDER)) {
    if (found.index > from) parts.push(literalPart(text.slice(from, found.index)));
    const [placeholder, name] = found;
    parts.push(placeholder.startsWith('$$') ? literalPart(placeholder.slice(1)) : variablePart(name));
    from = found.index + placeholder.length;
  }
  if (from < text.length) parts.push(literalPart(text.slice(from)));
  if (parts.length === 1) return parts[0];
  return function renderParts(x) {
    let rendered = '';
    for (let i = 0; i < parts.length; i++) rendered += parts[i](x);
    return rendered;
  };
}

function literal(text: string): Render {
  return () => text;
}

function variable(name: string, paramNames: readonly string[]): Render {
  if (Object.hasOwn(VARIABLES, name)) return VARIABLES[name];
  const [family, key] = splitFamily(name);
  if (family === 'param') {
    const at = paramNames.indexOf(key);
    return (x) => x.params[at] ?? '';
  }
  if (family === 'header') {
    const lower = key.toLowerCase();
    return (x) => x.header(lower) ?? '';
  }
  return (x) => queryValue(x.query, key);
}

function splitFamily(variable: string): [family: string, name: string] {
  const dot = variable.indexOf('.');
  return dot < 0 ? [variable, ''] : [variable.slice(0, dot), variable.slice(dot + 1)];
}

/** First value of a query parameter, still percent-encoded: safe in a header. Empty: there is none. */
export function queryValue(query: string, name: string): string {
  for (const pair of query.split('&')) {
    if (parameterName(pair) === name) return pair.slice(name.length + 1);
  }
  return '';
}

/** The name in `name=value`, as it is written. */
export function parameterName(pair: string): string {
  const equals = pair.indexOf('=');
  return equals < 0 ? pair : pair.slice(0, equals);
}

/** A name or a value of a query, where `+` is a space (URL standard, `application/x-www-form-urlencoded`). */
export function decodeParameter(text: string): string {
  return decodeEscapes(text.replaceAll('+', ' '));
}

/** What is not well encoded is taken literally. */
function decodeEscapes(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
