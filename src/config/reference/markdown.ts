/** Writes docs/configuration.md from the schema. */
import { variableNames } from '../../template.js';
import { filterOptions } from '../schema/route.js';
import { configJsonSchema, type JsonSchema } from './json-schema.js';

const INTRODUCTION = `# Configuration

One YAML file. \`sluice check -c FILE\` lists every mistake in it with line and column; \`sluice schema\` prints the JSON Schema
for editors. This page is generated from the same schema by \`npm run docs\`.

## How values are written

- **Unknown options are errors**, everywhere.
- **Durations** carry their unit: \`250ms\`, \`5s\`, \`2m\`, \`1h\`. **Sizes**: \`64KiB\`, \`1MiB\` (powers of 1024), \`10MB\`
  (powers of 1000), or a plain number of bytes. **Shares**: \`10%\`, or a number from 0 to 1.
- **Environment variables**: \`\${NAME}\`, or \`\${NAME:-default}\` for when it is not set or empty. The value gets its type after it
  was put in: \`port: \${PORT}\` works. A missing variable without a default is an error. Keys are not expanded.
- **Variables of the request**, in the values of the \`headers\` filter, of \`redirect\` and of \`rewrite.query.set\`: ${variableNames
  .map((name) => `\`\${${name}}\``)
  .join(', ')}.
- \`$\${\` is a literal \`\${\`.
- Anchors, aliases and merge keys (\`<<\`) of YAML work.
- Names of files are taken from the folder of the configuration file.
`;

const FILTERS: readonly string[] = Object.keys(filterOptions.shape);

/** The whole page, Markdown. */
export function configurationReference(): string {
  const root = configJsonSchema();
  const sections = [section('Top level', root, '')];
  for (const name of FILTERS) {
    const options = root.properties?.defaults?.properties?.[name];
    if (options !== undefined) sections.push(section(`Filter \`${name}\``, options, name));
  }
  return `${INTRODUCTION}\n${sections.join('\n')}`;
}

/** A table of the options of a mapping, then a section for each mapping inside it. */
function section(title: string, mapping: JsonSchema, path: string): string {
  const ownFilters = (name: string) => isFilterHolder(path) && FILTERS.includes(name);
  const rows: string[] = [];
  const inner: string[] = [];
  for (const [name, option] of Object.entries(mapping.properties ?? {})) {
    const place = path === '' ? name : `${path}.${name}`;
    if (ownFilters(name)) {
      rows.push(row(name, option, `[filter](#filter-${name.toLowerCase()})`, mapping));
      continue;
    }
    const nested = place === 'defaults' ? [] : nestedMappings(option, place);
    rows.push(
      row(
        name,
        option,
        place === 'defaults' ? 'filters by name' : typeName(option, nested[0]?.title),
        mapping,
      ),
    );
    for (const { mapping, path, title } of nested) inner.push(section(title, mapping, path));
  }
  const description = path !== '' && mapping.description ? `${mapping.description}\n\n` : '';
  const table = ['| option | type | default | description |', '| --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
  return [`## ${title}\n\n${description}${table}\n`, ...inner].join('\n');
}

function isFilterHolder(path: string): boolean {
  return path === 'routes[]';
}

function row(name: string, option: JsonSchema, type: string, { required = [] }: JsonSchema): string {
  const fallback =
    option.default === undefined
      ? required.includes(name)
        ? '**required**'
        : ''
      : defaultText(option.default);
  const example =
    option.examples === undefined || option.type === 'boolean'
      ? ''
      : ` E.g. ${option.examples.map(code).join(', ')}.`;
  return `| \`${name}\` | ${cell(type)} | ${cell(fallback)} | ${cell(`${option.description ?? ''}${example}`)} |`;
}

interface NestedMapping {
  readonly mapping: JsonSchema;
  readonly path: string;
  readonly title: string;
}

/**
 * The mappings that an option holds, directly, in a list or under names of the user's choice, and how their path is written.
 * Several, if its `type` says which it is; of other unions the first.
 */
function nestedMappings(option: JsonSchema, path: string): NestedMapping[] {
  // What has a name is explained elsewhere.
  if (option.title !== undefined) return [];
  if (option.properties !== undefined) return [{ mapping: option, path, title: `\`${path}\`` }];
  if (option.items !== undefined) return nestedMappings(option.items, `${path}[]`);
  if (typeof option.additionalProperties === 'object')
    return nestedMappings(option.additionalProperties, `${path}.NAME`);
  const branches = (option.anyOf ?? []).map((branch) => nestedMappings(branch, path)).filter(notEmpty);
  const typed = branches
    .flat()
    .map((branch) => ({ ...branch, type: branch.mapping.properties?.type?.const }));
  if (typed.length < 2 || typed.some(({ type }) => type === undefined)) return branches[0] ?? [];
  return typed.map(({ mapping, type }) => {
    const own = `${path} (${String(type)})`;
    return {
      mapping: { ...mapping, description: mapping.properties?.type?.description },
      path: own,
      title: `\`${path}\` with \`type: ${type}\``,
    };
  });
}

function notEmpty(list: readonly unknown[]): boolean {
  return list.length > 0;
}

function typeName(option: JsonSchema, nestedTitle: string | undefined): string {
  if (option.title !== undefined) return option.title;
  if (option.anyOf !== undefined) {
    const branches = option.anyOf.filter(({ type }) => type !== 'null');
    return [...new Set(branches.map((branch) => typeName(branch, nestedTitle)))].join(' or ');
  }
  if (option.enum !== undefined) return option.enum.map(code).join(', ');
  if (option.const !== undefined) return code(option.const);
  if (option.properties !== undefined)
    return nestedTitle === undefined ? 'mapping' : `[mapping](#${anchor(nestedTitle)})`;
  if (option.items !== undefined)
    return ['list', typeName(option.items, nestedTitle)].filter(Boolean).join(' of ');
  if (typeof option.additionalProperties === 'object') {
    return ['mapping', typeName(option.additionalProperties, nestedTitle)]
      .filter(Boolean)
      .join(' of names to ');
  }
  const names: Record<string, string> = {
    string: 'text',
    integer: 'whole number',
    boolean: 'true, false',
    object: 'mapping',
  };
  return [option.type ?? '']
    .flat()
    .map((type) => names[type] ?? type)
    .join(' or ');
}

function defaultText(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'object' && Object.keys(value).length === 0) return '';
  return code(value);
}

/** As one would write it in YAML on one line. */
function code(value: unknown): string {
  return `\`${flow(value)}\``;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${key}: ${flow(inner)}`)
      .join(', ')} }`;
  }
  // Quoted where YAML would read it as something else than a text.
  const text = String(value);
  return typeof value === 'string' && /^(|true|false|null|~|[-+.\d]+)$/.test(text) ? `'${text}'` : text;
}

/** As GitHub makes anchors from headings. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
