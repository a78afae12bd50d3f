/** `/sockets`: which WebSockets are open, whose they are, and how to close them. */
import type { SocketFilter } from '../../bus/socket-calls.js';
import { didYouMean } from '../../config/did-you-mean.js';
import { isSendable, POLICY_VIOLATION } from '../../websocket/close-code.js';
import { type Call, type Endpoint, json, problem, type Reply } from '../admin/endpoint.js';
import { workerOf } from './socket-control.js';

const PAGE = 100;
const LARGEST_PAGE = 1000;
/** RFC 6455 §5.5: what a close frame has room for, beside the code. */
const LONGEST_REASON = 123;
const WHY = 'closed by an operator';

const FILTERS = ['user', 'provider', 'consumer', 'key', 'role', 'route', 'ip'] as const;

const list: Endpoint = {
  path: '/sockets',
  method: 'GET',
  summary:
    'Open WebSockets: ?user, ?provider, ?consumer, ?key, ?role, ?route, ?ip, ?worker; ?limit=100, ?after=ID for the next page.',
  async handle(plane, { query }) {
    const unknown = strangerIn(query, [...FILTERS, 'worker', 'limit', 'after']);
    if (unknown !== null) return unknown;
    const limit = Number(query.get('limit') ?? PAGE);
    if (!Number.isInteger(limit) || limit < 1 || limit > LARGEST_PAGE)
      return bad(`limit: expected a whole number from 1 to ${LARGEST_PAGE}`);
    const after = query.get('after') ?? '';
    if (after !== '' && workerOf(after) === 0) return bad('after: expected the id of a socket');
    const worker = query.has('worker') ? Number(query.get('worker')) : null;
    if (worker !== null && !(Number.isInteger(worker) && worker > 0))
      return bad('worker: expected its number');
    return json(await plane.sockets.page(filterIn(query), after, limit, worker));
  },
};

const one: Endpoint = {
  path: '/sockets/:id',
  method: 'GET',
  summary: 'One open WebSocket.',
  async handle(plane, { params }) {
    const socket = await plane.sockets.find(params.id ?? '');
    return socket === null ? missing(params.id ?? '') : json(socket);
  },
};

const close: Endpoint = {
  path: '/sockets/:id',
  method: 'DELETE',
  summary: 'Closes a WebSocket: ?code=1008, ?reason=TEXT.',
  async handle(plane, call) {
    const { params, query, remote } = call;
    const { id = '' } = params;
    const refusal = strangerIn(query, ['code', 'reason']) ?? faultIn(call);
    if (refusal !== null) return refusal;
    const { code, reason } = closeOf(call);
    const done = await plane.sockets.close({ id }, code, reason);
    if (done.closed === 0 && done.late === undefined) return missing(id);
    plane.audit({ event: 'admin.socket.close', socket: id, code, remote });
    return json({ ...done, code });
  },
};

const closeMany: Endpoint = {
  path: '/sockets',
  method: 'DELETE',
  summary:
    'Closes all WebSockets of a ?user, ?consumer, ?key, ?role, ?route or ?ip: ?code=1008, ?reason=TEXT.',
  async handle(plane, call) {
    const { query, remote } = call;
    const refusal = strangerIn(query, [...FILTERS, 'code', 'reason']) ?? faultIn(call);
    if (refusal !== null) return refusal;
    const filter = filterIn(query);
    if (Object.keys(filter).length === 0) return bad(`whose? expected one of ${FILTERS.join(', ')}`);
    const { code, reason } = closeOf(call);
    const done = await plane.sockets.close(filter, code, reason);
    plane.audit({ event: 'admin.sockets.close', ...filter, code, ...done, remote });
    return json({ ...done, code });
  },
};

export const socketEndpoints: readonly Endpoint[] = [list, one, close, closeMany];

function filterIn(query: URLSearchParams): SocketFilter {
  return Object.fromEntries(FILTERS.flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : [])));
}

/** A filter with a typo in it would fit every socket, and of one that is named twice only half would be looked for. */
function strangerIn(query: URLSearchParams, known: readonly string[]): Reply | null {
  for (const name of query.keys()) {
    if (query.getAll(name).length > 1) return bad(`"${name}" is there twice`);
    if (known.includes(name)) continue;
    const meant = didYouMean(name, known);
    return bad(`unknown parameter "${name}"${meant === undefined ? '' : `, did you mean "${meant}"?`}`);
  }
  return null;
}

function closeOf({ query }: Call): { code: number; reason: string } {
  return { code: Number(query.get('code') ?? POLICY_VIOLATION), reason: query.get('reason') ?? WHY };
}

function faultIn(call: Call): Reply | null {
  const { code, reason } = closeOf(call);
  if (!Number.isInteger(code) || !isSendable(code))
    return bad('code: expected a close code: 1000 to 1014 without 1004 to 1006, or 3000 to 4999');
  if (Buffer.byteLength(reason) > LONGEST_REASON)
    return bad(`reason: expected at most ${LONGEST_REASON} bytes`);
  return null;
}

function bad(detail: string): Reply {
  return problem(400, 'Bad request', detail);
}

function missing(id: string): Reply {
  return problem(404, 'Not found', `there is no open socket "${id}"`);
}
