/** What a decision point is told of a request. */
import type { Exchange } from '../../exchange.js';
import { decodedSegment } from './expression/request.js';

/** JSON. All that the answer may depend on is in it, so that it says for which requests the answer holds. */
export function requestText(x: Exchange): string {
  const { method, path, host, query, params, clientIp, scheme, route } = x;
  const names = route?.paramNames ?? [];
  const named = names.map((name, i) => [name, decodedSegment(params[i])]);
  return JSON.stringify({
    request: { method, path, host, query, params: Object.fromEntries(named), client_ip: clientIp, scheme },
    route: route?.name ?? '',
  });
}
