/** The schema is the only source: what is published must say the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import {
  configJsonSchema,
  editorJsonSchema,
  type JsonSchema,
} from '../../src/config/reference/json-schema.ts';
import { configurationReference } from '../../src/config/reference/markdown.ts';
import { filterOptions } from '../../src/config/schema/route.ts';
import { filters } from '../../src/filters/index.ts';

const root = join(import.meta.dirname, '../..');
const demo = join(root, 'config/demo.yaml');

/** Every option in a schema, with its path. */
function optionsOf(schema: JsonSchema, path = ''): [path: string, option: JsonSchema][] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, option]): [string, JsonSchema][] => {
    const place = path === '' ? name : `${path}.${name}`;
    return [[place, option], ...optionsOf(option, place)];
  });
  const below = [schema.items, schema.additionalProperties, ...(schema.anyOf ?? [])];
  return [
    ...own,
    ...below.flatMap((inner) => (typeof inner === 'object' ? optionsOf(inner, `${path}[]`) : [])),
  ];
}

/** As much of JSON Schema as our schemas use; the paths of what does not fit. */
function misfits(value: unknown, schema: JsonSchema, path = '$'): string[] {
  if (schema.anyOf?.every((branch) => misfits(value, branch, path).length > 0)) return [path];
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const types = [schema.type ?? kind].flat().map((type) => (type === 'integer' ? 'number' : type));
  if (!types.includes(kind)) return [path];
  if (schema.const !== undefined && schema.const !== value) return [path];
  if (schema.enum && !schema.enum.includes(value)) return [path];
  if (schema.pattern && typeof value === 'string' && !new RegExp(schema.pattern).test(value)) return [path];
  if (Array.isArray(value))
    return value.flatMap((item, i) => misfits(item, schema.items ?? {}, `${path}[${i}]`));
  if (kind !== 'object') return [];
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value as object, name));
  return [
    ...missing.map((name) => `${path}.${name}`),
    ...Object.entries(value as object).flatMap(([name, inner]) => {
      const option = schema.properties?.[name] ?? schema.additionalProperties;
      if (option === false) return [`${path}.${name}`];
      return typeof option === 'object' ? misfits(inner, option, `${path}.${name}`) : [];
    }),
  ];
}

describe('docs/configuration.md', () => {
  it('is what the schema says; if not: npm run docs', () => {
    expect(readFileSync(join(root, 'docs/configuration.md'), 'utf8')).toBe(configurationReference());
  });

  it('links to sections that exist', () => {
    const page = configurationReference();
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = [...page.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor]) => anchor);
    expect(links.filter((anchor) => !headings.includes(anchor ?? ''))).toEqual([]);
  });
});

describe('every option', () => {
  const options = optionsOf(configJsonSchema());

  it('describes itself', () => {
    expect(options.filter(([, option]) => !option.description).map(([path]) => path)).toEqual([]);
  });

  it('has an example unless it only holds others', () => {
    const bare = options.filter(([path, option]) => {
      const holdsOthers = optionsOf(option).length > 0;
      return option.examples === undefined && !holdsOthers && !path.startsWith('defaults.');
    });
    expect(bare.map(([path]) => path)).toEqual([]);
  });
});

describe('the JSON Schema', () => {
  it('takes config/demo.yaml as it is written', () => {
    expect(misfits(parse(readFileSync(demo, 'utf8')), editorJsonSchema() as JsonSchema)).toEqual([]);
  });

  it('refuses what the loader refuses', () => {
    const schema = editorJsonSchema() as JsonSchema;
    expect(misfits({ listen: 1, extra: 1 }, schema)).toEqual(['$.extra']);
    expect(misfits({ drain: { delay: '5 parsecs' } }, schema)).toEqual(['$.drain.delay']);
    expect(misfits({ routes: [{ name: 'a' }] }, schema)).toEqual(['$.routes[0].match']);
  });

  it('names no default that it refuses', () => {
    const methods = optionsOf(configJsonSchema()).find(([path]) => path.endsWith('match.methods'));
    expect(methods?.[1]).toMatchObject({ minItems: 1 });
    expect(methods?.[1]).not.toHaveProperty('default');
  });

  it('takes an environment variable in the place of any value', () => {
    const schema = editorJsonSchema() as JsonSchema;
    expect(
      misfits(
        { listen: { port: '${PORT}', proxyProtocol: '${P}' }, workers: '${N}', drain: { delay: '${D}' } },
        schema,
      ),
    ).toEqual([]);
  });
});

describe('config/demo.yaml', () => {
  it('is right', () => {
    const result = loadConfig(demo, {});
    expect(result).toMatchObject({ ok: true, warnings: [] });
  });
});

it('each filter has its options in the schema, and its defaults are those of the schema', () => {
  expect(Object.keys(filterOptions.shape)).toEqual(filters.map(({ name }) => name));
  const unnamed = filters.find(({ name }) => name === 'requestSize')?.unnamed;
  expect(unnamed).toEqual(filterOptions.shape.requestSize.parse({}));
});

it('no filter has the name of another option of routes', () => {
  const names: string[] = filters.map(({ name }) => name);
  expect(
    names.filter((name) => ['name', 'match', 'service', 'respond', 'redirect', 'rewrite'].includes(name)),
  ).toEqual([]);
});
