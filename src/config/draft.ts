import type { z } from 'zod';
import { expectation, explain } from './explain.js';
import { type Complaint, type Path, valueAt } from './mistakes.js';
import { type RouteConfig, route } from './schema/route.js';
import { type ServiceConfig, service } from './schema/services/service.js';
import { type Config, schema } from './schema.js';

/** A configuration of which some parts may be wrong: what the checks that span several options look at. */
export interface Draft {
  /** As written in the file. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** All but services and routes; options that are wrong have their defaults. */
  readonly settings: Omit<Config, 'services' | 'routes'>;
  /** By name; undefined when not even parts of it can be read. */
  readonly services: ReadonlyMap<string, ServiceConfig | undefined>;
  readonly routes: readonly DraftRoute[];
  /** The whole, when the schema had nothing to say. */
  readonly config: Config | undefined;
}

export interface DraftRoute {
  readonly index: number;
  /** As written in the file; empty when it is no mapping. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** Without the options that are wrong; undefined when what is left is no route. */
  readonly route: RouteConfig | undefined;
  /** Whether the schema had nothing to say about it. */
  readonly intact: boolean;
}

/** Checks data against the schema and keeps what is usable of it. */
export function draftConfig(raw: Record<string, unknown>): { draft: Draft; complaints: Complaint[] } {
  const result = schema.safeParse(raw, { error: expectation });
  if (result.success) {
    const { services, routes, ...settings } = result.data;
    const intact = routes.map((route, index) => ({
      index,
      raw: mapping(valueAt(raw, ['routes', index])),
      route,
      intact: true,
    }));
    const draft = {
      raw,
      settings,
      services: new Map(Object.entries(services)),
      routes: intact,
      config: result.data,
    };
    return { draft, complaints: [] };
  }
  const { services: rawServices, routes: rawRoutes, ...rawSettings } = raw;
  const routes = Array.isArray(rawRoutes) ? rawRoutes : [];
  const draft: Draft = {
    raw,
    settings: salvage(schema, rawSettings) ?? schema.parse({}),
    services: new Map(
      Object.entries(mapping(rawServices)).map(([name, value]) => [name, salvage(service, value)]),
    ),
    routes: routes.map((value: unknown, index) => ({
      index,
      raw: mapping(value),
      route: salvage(route, value),
      intact: route.safeParse(value).success,
    })),
    config: undefined,
  };
  return { draft, complaints: result.error.issues.flatMap((issue) => explain(issue, raw)) };
}

/** Parses what is left of a value when everything that is wrong has been taken out; undefined when nothing is. */
function salvage<S extends z.ZodType>(part: S, value: unknown): z.output<S> | undefined {
  const rest = structuredClone(value);
  for (;;) {
    const result = part.safeParse(rest, { error: expectation });
    if (result.success) return result.data;
    const gone: Path[] = [];
    for (const { path } of result.error.issues.flatMap((issue) => explain(issue, rest))) {
      // Of several mistakes in one list, the first has taken the list out.
      if (gone.some((taken) => taken.every((step, i) => step === path[i]))) continue;
      const taken = takeOut(rest, path);
      if (taken === null) return undefined;
      gone.push(taken);
    }
  }
}

/**
 * Takes a value out. In its place the list that it is in, whose indexes would shift, or the mapping that lacks it. Returns
 * where what it took was; null when that would be the root.
 */
function takeOut(root: unknown, path: Path): Path | null {
  if (path.length === 0) return null;
  const holder = valueAt(root, path.slice(0, -1));
  const key = path.at(-1) as PropertyKey;
  if (typeof holder === 'object' && holder !== null && !Array.isArray(holder) && Object.hasOwn(holder, key)) {
    delete (holder as Record<PropertyKey, unknown>)[key];
    return path;
  }
  return takeOut(root, path.slice(0, -1));
}

/** Names in a part of the file: what has a mistake of its own exists all the same. */
export function namesIn({ raw }: Draft, part: string): string[] {
  return Object.keys(mapping(raw[part]));
}

function mapping(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
