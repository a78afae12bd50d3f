/** The routes in force, and what a new configuration does to sockets that were opened under an earlier one. */
import { isDeepStrictEqual } from 'node:util';
import type { Route } from '../../config/build.js';
import type { Exchange } from '../../exchange.js';
import type { Review } from '../../services/authz/review.js';
import { SERVICE_RESTART } from '../close-code.js';

/** null: it stays as it is. */
export type Fate = { readonly code: number; readonly reason: string; readonly atOnce: boolean } | null;

export class RouteBook {
  #inForce: ReadonlyMap<string, Route> = new Map();

  adopt(routes: readonly Route[]): void {
    this.#inForce = new Map(routes.map((route) => [route.name, route]));
  }

  /** Who judges callers of this exchange now. Parameters mean the same only under the same path. */
  reviewFor = ({ route }: Exchange): Review | null => {
    if (route === null) return null;
    const now = this.#inForce.get(route.name);
    return now?.match.path === route.match.path ? now.pipeline.review : route.pipeline.review;
  };

  /** Of sockets that were opened under this route. */
  fateOf(before: Route): Fate {
    const now = this.#inForce.get(before.name);
    if (now === undefined || (now.websocket === null && now.channels === null))
      return drained('the route is gone: connect again');
    const reload = now.websocket?.reload ?? 'keep';
    const next = now.choice === null ? now : now.choice.routes.get(before.service?.name ?? '');
    if (next === before || reload === 'keep') return null;
    if (next !== undefined && isDeepStrictEqual(essenceOf(before), essenceOf(next))) return null;
    if (reload === 'drain') return drained('the route has changed: connect again');
    return { code: reload.close, reason: 'the route has changed', atOnce: true };
  }
}

function drained(reason: string): Fate {
  return { code: SERVICE_RESTART, reason, atOnce: false };
}

/** Its own options, those it takes from `defaults` among them, but for what becomes of open sockets: who changes that alone means the next change. */
function essenceOf({ source: { websocket, ...others } }: Route): object {
  return { ...others, websocket: websocket && { ...websocket, reload: null } };
}
