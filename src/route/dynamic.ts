/**
 * Routes whose service is named by a parameter of the path: `service: ${param.service}`. Which names may be meant is settled
 * when the configuration loads; a request is one lookup of what its path holds, byte for byte. Names of services are made of
 * characters that a canonical path never escapes, so no other spelling of a name is found.
 */

import { type Failure, NOT_FOUND } from '../errors.js';

/** A route that may be dynamic. */
export interface DynamicRoute {
  readonly service?: string | undefined;
  /** Names of services, and `tag:NAME` for all that carry the tag. */
  readonly allow?: readonly string[] | undefined;
}

/** What a dynamic route asks of a service. */
export interface Tagged {
  readonly tags: readonly string[];
}

const DYNAMIC = /^\$\{param\.([^}]*)\}$/;
const TAG = 'tag:';

/** The parameter that names the service; null: the service is a fixed one, or there is none. */
export function serviceParameter({ service }: DynamicRoute): string | null {
  return (service !== undefined && DYNAMIC.exec(service)?.[1]) || null;
}

/** The tag in `tag:public`; null: the entry of `allow` is the name of a service. */
export function tagIn(entry: string): string | null {
  return entry.startsWith(TAG) ? entry.slice(TAG.length) : null;
}

/** Names of the services that a dynamic route may choose among, in the order of the configuration. */
export function allowedServices(
  { allow = [] }: DynamicRoute,
  services: Iterable<readonly [name: string, service: Tagged | undefined]>,
): string[] {
  const named = new Set(allow);
  const tags = new Set(allow.flatMap((entry) => tagIn(entry) ?? []));
  return [...services].flatMap(([name, service]) =>
    named.has(name) || service?.tags.some((tag) => tags.has(tag)) ? [name] : [],
  );
}

/** The services that a path may name: for each a route of its own, alike but for the service. */
export interface ServiceChoice<R> {
  /** Which of the path's parameters names it. */
  readonly parameter: number;
  readonly routes: ReadonlyMap<string, R>;
}

/** What choosing reads and changes of an exchange. */
interface Chooser<R> {
  readonly params: readonly string[];
  route: R | null;
  failure: Failure | null;
}

/** The route for the service that the path names, if it may name that one; else the exchange fails. */
export function withService<R extends { readonly choice: ServiceChoice<R> | null }>(
  x: Chooser<R>,
  route: R,
): R | null {
  if (route.choice === null) return route;
  const chosen = route.choice.routes.get(x.params[route.choice.parameter] as string) ?? null;
  if (chosen === null) x.failure = NOT_FOUND;
  else x.route = chosen;
  return chosen;
}
