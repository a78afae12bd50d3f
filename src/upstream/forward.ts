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
  const forwardedHost = x.peerTrusted && x.forwardedHost !== '' ? x.forwardedHost : x.authority;
  const proto = x.peerTrusted && x.forwardedProto !== '' ? x.forwardedProto : x.scheme;
  const before = x.peerTrusted ? x.forwardedFor : '';
  const fields = [
    'host',
    authority,
    'x-request-id',
    x.id,
    'x-forwarded-for',
    before === '' ? x.peerIp : `${before}, ${x.peerIp}`,
    'x-forwarded-proto',
    proto,
    'x-forwarded-host',
    forwardedHost,
    'forwarded',
    forwardedField(x, forwardedHost, proto),
    'via',
    x.via === '' ? VIA : `${x.via}, ${VIA}`,
  ];
  const { headers, body } = x;
  for (let i = 0; i < headers.length; i++) fields.push(headers[i]);
  if (body !== null && body.length > 0 && body.whole === null)
    fields.push('content-length', String(body.length));
  return fields;
}

/** RFC 7239: one element for this hop, after those of a trusted proxy. */
function forwardedField(x: Exchange, host: string, proto: string): string {
  const node = x.peerIp.includes(':') ? `"[${x.peerIp}]"` : x.peerIp;
  const element = `for=${node};host="${host}";proto=${proto}`;
  return x.peerTrusted && x.forwarded !== '' ? `${x.forwarded}, ${element}` : element;
}
