/** Who may know whom, read from the import lines of src/. What is allowed is stated in tables: change them knowingly. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = join(ROOT, 'src');

/** Each third-party library and the only places that may import it: a folder, or one file. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  'uWebSockets.js': ['listen/'],
  piscina: ['services/threads/'],
  ajv: ['websocket/inbound/'],
  'fast-jwt': ['services/tokens/'],
  lmdb: ['services/store/'],
  ioredis: ['services/store/'],
  oauth4webapi: ['control/oidc/'],
  undici: ['upstream/'],
  koffi: ['listen/', 'shared/'],
  re2js: ['route/'],
  pino: ['observe/'],
  'hdr-histogram-js': ['observe/'],
  yaml: ['config/'],
  zod: ['config/'],
};

/** What a filter may import; everything else it asks for through the `Env` it is built with. */
const FILTERS_MAY_KNOW = [
  'config/schema/filters/auth.ts',
  'config/schema/filters/headers.ts',
  'config/schema/filters/idempotency.ts',
  'config/schema/filters/limit.ts',
  'config/schema/filters/priority.ts',
  'config/schema/filters/request-size.ts',
  'errors.ts',
  'exchange.ts',
  'pipeline.ts',
  'services/door.ts',
  'services/introduction.ts',
  'template.ts',
];

/** Modules of Node that talk to other processes: not for filters. */
const CLIENTS_OF_NODE = /^node:(http|https|http2|net|tls|dgram|child_process|cluster|worker_threads)$/;

/** "About twelve" files in a folder. */
const MOST_FILES = 13;
const MOST_LINES = 300;
/** One table, which would not be easier to read in two. */
const TABLES = ['errors.ts'];

interface Import {
  /** The importing file, relative to src/. */
  from: string;
  /** A file relative to src/, the name of a package, or `node:…`. */
  to: string;
  typeOnly: boolean;
  local: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const sources = new Map(files.map((file) => [file, readFileSync(join(SRC, file), 'utf8')]));
const imports = files.flatMap(importsOf);

function importsOf(file: string): Import[] {
  const source = withoutComments(sources.get(file) as string);
  const found: Import[] = [];
  for (const [, clause, target] of source.matchAll(/^(?:import|export)\s+([^'";]*?)\s*from\s+'([^']+)'/gm)) {
    found.push(importOf(file, target, isTypeOnly(clause)));
  }
  for (const [, target] of source.matchAll(/^import\s+'([^']+)'/gm))
    found.push(importOf(file, target, false));
  for (const [, target] of source.matchAll(/\b(?:import|require)\(\s*'([^']+)'/g)) {
    found.push(importOf(file, target, false));
  }
  return found;
}

function importOf(from: string, target: string, typeOnly: boolean): Import {
  const local = target.startsWith('.');
  const to = local
    ? normalize(join(dirname(from), target)).replace(/\.js$/, '.ts')
    : target.startsWith('node:')
      ? target
      : target.split('/')[0];
  return { from, to, typeOnly, local };
}

/** `type { A }`, `type * as a`, `{ type A, type B }`. */
function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const named = /^\{([^}]*)\}$/.exec(clause.trim());
  if (named === null) return false;
  return named[1].split(',').every((name) => name.trim() === '' || /^\s*type\s/.test(name));
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** Imports that break a rule, as one line each: what a failing test shows. */
function offending(breaksRule: (line: Import) => boolean): string[] {
  return imports.filter(breaksRule).map(({ from, to }) => `${from} imports ${to}`);
}

describe('the arrows', () => {
  it('are read from the import lines of all files', () => {
    expect(files).toContain('gateway.ts');
    expect(imports).toContainEqual({
      from: 'gateway.ts',
      to: 'listen/capture.ts',
      typeOnly: false,
      local: true,
    });
    expect(imports).toContainEqual({ from: 'exchange.ts', to: 'errors.ts', typeOnly: true, local: true });
    expect(offending(({ to, local }) => local && !sources.has(to))).toEqual([]);
  });

  it('point to exchange, errors and pipeline, which import types only', () => {
    const core = ['exchange.ts', 'errors.ts', 'pipeline.ts'];
    expect(offending(({ from, typeOnly }) => core.includes(from) && !typeOnly)).toEqual([]);
  });

  it('never lead from one filter to another, and only the list of filters names them all', () => {
    const among = ({ from, to }: Import) => from.startsWith('filters/') && to.startsWith('filters/');
    expect(offending((line) => among(line) && line.from !== 'filters/index.ts')).toEqual([]);
  });

  it('lead from filters to nothing but their own few words', () => {
    const allowed = ({ to, local }: Import) =>
      local ? FILTERS_MAY_KNOW.includes(to) : to.startsWith('node:') && !CLIENTS_OF_NODE.test(to);
    expect(
      offending(
        (line) => line.from.startsWith('filters/') && line.from !== 'filters/index.ts' && !allowed(line),
      ),
    ).toEqual([]);
  });

  it('do not run between listen/ and upstream/, either way', () => {
    expect(offending(({ from, to }) => from.startsWith('listen/') && to.startsWith('upstream/'))).toEqual([]);
    expect(offending(({ from, to }) => from.startsWith('upstream/') && to.startsWith('listen/'))).toEqual([]);
  });

  it('reach control/ from primary.ts alone', () => {
    const outside = ({ from }: Import) => from !== 'primary.ts' && !from.startsWith('control/');
    expect(offending((line) => line.to.startsWith('control/') && outside(line))).toEqual([]);
  });

  it('do not lead from the data plane to the control plane', () => {
    const above = /^(primary\.ts|main\.ts|control\/|cli\/|demo\/)/;
    expect(offending(({ from, to }) => above.test(to) && !above.test(from))).toEqual([]);
  });

  it('do not lead from a gateway that runs to what reads configurations: that ends with its process', () => {
    const reached = reachableFrom('main.ts', 'cli/start.ts', 'primary.ts', 'worker.ts');
    const heavy = /^(zod|yaml|config\/(load|draft|schema|fields)\.ts|config\/(schema|checks|yaml)\/.*)$/;
    expect([...reached].filter((file) => heavy.test(file))).toEqual([]);
    expect(reached).toContain('config/build.ts');
  });

  it('make no circle among the modules that run', () => {
    expect(circles()).toEqual([]);
  });
});

describe('third-party libraries', () => {
  it('are each known to one place', () => {
    const outside = ({ from, to }: Import) => !(LIBRARIES[to] ?? []).some((place) => from.startsWith(place));
    expect(offending((line) => !line.local && !line.to.startsWith('node:') && outside(line))).toEqual([]);
  });

  it('are those that package.json names, no more and no fewer', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(Object.keys(LIBRARIES).sort()).toEqual(Object.keys(dependencies).sort());
    const unused = Object.keys(LIBRARIES).filter((name) => !imports.some(({ to }) => to === name));
    expect(unused).toEqual([]);
  });

  it('are imported by name, and modules of Node with their prefix', () => {
    const known = new Set(Object.keys(LIBRARIES));
    expect(offending(({ to, local }) => !local && !to.startsWith('node:') && !known.has(to))).toEqual([]);
  });
});

describe('the house', () => {
  it('has no room for what belongs nowhere', () => {
    const vague = /(^|\/)(utils?|common|helpers?|misc|types|interfaces|constants)(\.ts$|\/)/;
    expect(files.filter((file) => vague.test(file))).toEqual([]);
  });

  it('has folders of about twelve files', () => {
    const sizes = new Map<string, number>();
    for (const file of files) sizes.set(dirname(file), (sizes.get(dirname(file)) ?? 0) + 1);
    expect([...sizes].filter(([, size]) => size > MOST_FILES)).toEqual([]);
  });

  it('has files that fit on a few pages', () => {
    const long = files.filter(
      (file) => !TABLES.includes(file) && (sources.get(file) as string).split('\n').length > MOST_LINES,
    );
    expect(long).toEqual([]);
  });

  it('names its files in kebab-case', () => {
    expect(
      files.filter((file) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(file)),
    ).toEqual([]);
  });

  it('ends the process in main.ts only', () => {
    const ending = files.filter((file) => /\bprocess\.(exit|reallyExit|abort)\(/.test(code(file)));
    expect(ending).toEqual(['main.ts']);
  });

  it('has no default exports', () => {
    expect(
      files.filter((file) => /^export\s+default\b|^export\s*\{[^}]*\bas\s+default\b/m.test(code(file))),
    ).toEqual([]);
  });

  it('has all that the micro benches measure', () => {
    const benches = join(ROOT, 'bench/micro');
    const named = readdirSync(benches).flatMap((name) =>
      [...readFileSync(join(benches, name), 'utf8').matchAll(/built\('([^']+)'\)/g)].map(
        ([, file]) => `${file}.ts`,
      ),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((file) => !sources.has(file))).toEqual([]);
  });

  it('has no barrel but the list of filters', () => {
    expect(files.filter((file) => /^export\s[^'";=]*\sfrom\s+'\./m.test(code(file)))).toEqual([]);
    expect(files.filter((file) => file.endsWith('index.ts'))).toEqual(['filters/index.ts']);
  });
});

function code(file: string): string {
  return withoutComments(sources.get(file) as string);
}

/** What is loaded with these files, now or later; commands of the command line load what they need by themselves. */
function reachableFrom(...first: string[]): Set<string> {
  const reached = new Set(first);
  for (const file of reached) {
    for (const { from, to, typeOnly } of imports) {
      if (from === file && !typeOnly && !to.startsWith('cli/')) reached.add(to);
    }
  }
  return reached;
}

/** Circles of imports that exist when the program runs, each as a path from its first file back to it. */
function circles(): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly, local } of imports) {
    if (local && !typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const found: string[] = [];
  const finished = new Set<string>();
  const visit = (file: string, path: string[]) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file].join(' → '));
    if (at >= 0 || finished.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    finished.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}
