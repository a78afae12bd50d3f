/**
 * The head of the request as the service sees it. `capture` has already taken out what belongs to the client's
 * connection; here the fields about the way are made. They come from us or, hop by hop, from a trusted proxy: a client
 * can neither forge nor remove them.
 */
import type { Exchange } from '../exchange.js';

/** Received-protocol and pseudonym of our `Via` entry (RFC 9110 §7.6.3). */
const VIA = '1.1 sluice';

/** Fields of the request, flat. `authority` is the `Host` the service gets. */
export function forwardHeaders(x: Exchange, authority: string): string[] {
  const { headers, peerTrusted } = x;
  const host = peerTrusted && x.forwardedHost !== '' ? x.forwardedHost : x.authority;
  const proto = peerTrusted && x.forwardedProto !== '' ? x.forwardedProto : x.scheme;
  const earlier = peerTrusted ? x.forwardedFor : '';
  const fields = [
    'host',
    authority,
    'x-request-id',
    x.id,
    'x-forwarded-for',
    earlier === '' ? x.peerIp : `${earlier}, ${x.peerIp}`,
    'x-forwarded-proto',
    proto,
    'x-forwarded-host',
    host,
    'forwarded',
    forwardedField(x, host, proto),
    'via',
    x.via === '' ? VIA : `${x.via}, ${VIA}`,
    ...headers,
  ];
  if (x.dueAt !== Number.POSITIVE_INFINITY) fields.push('x-request-deadline', remainingMs(x));
  const { body } = x;
  if (body !== null && body.length > 0 && body.whole === null)
    fields.push('content-length', String(body.length));
  return fields;
}

/** What is left at this moment: a duration and no time of day, since the clocks of two machines may differ. */
function remainingMs(x: Exchange): string {
  return String(Math.max(0, Math.floor(x.dueAt - performance.now())));
}

/** RFC 7239: one element for this hop, after those of a trusted proxy. */
function forwardedField(x: Exchange, host: string, proto: string): string {
  const { peerIp } = x;
  if (peerIp !== last.peerIp || host !== last.host || proto !== last.proto) {
    const node = peerIp.includes(':') ? `"[${peerIp}]"` : peerIp;
    last = { peerIp, host, proto, element: `for=${node};host="${host}";proto=${proto}` };
  }
  return x.peerTrusted && x.forwarded !== '' ? `${x.forwarded}, ${last.element}` : last.element;
}

/** Requests come in runs: most repeat what the one before said about its way. */
let last = { peerIp: '', host: '', proto: '', element: '' };
