/** permessage-deflate (RFC 7692) between a client and us: which of its offers we take. */
import type { CompressionMode } from '../config/schema/socket/compression.js';
import type { Exchange } from '../exchange.js';

export interface Agreement {
  /** An offer that the listener takes; empty: no compression. */
  readonly offer: string;
  /** Smaller messages are sent as they are. */
  readonly fromBytes: number;
}

/** In bits: of the memory that sockets share, and of a socket's own (see `Listener`). */
const SHARED_WINDOW = 15;
const OWN_WINDOW = 11;

/** Safari 15.0 to 15.3 keep their own context although they have agreed not to. */
const CANNOT = / Version\/15\.[0-3](?:\.\d+)? .*Safari\//;

/** `mode` is that of the listener; null: none. */
export function agreeOnCompression(x: Exchange, mode: CompressionMode, fromBytes: number): Agreement | null {
  if (mode === 'off' || x.extensions === '' || CANNOT.test(x.header('user-agent') ?? '')) return null;
  const suits = x.extensions.split(',').some((offer) => canServe(offer, mode));
  return suits ? { offer: 'permessage-deflate', fromBytes } : null;
}

/** False: it is of another extension, or asks for what we cannot do. */
function canServe(offer: string, mode: CompressionMode): boolean {
  const [name, ...parameters] = offer.split(';').map((part) => part.trim().toLowerCase());
  const seen = new Set<string>();
  return (
    name === 'permessage-deflate' &&
    parameters.every((parameter) => {
      const [key = '', value] = parameter.split('=').map((part) => part.trim().replace(/^"(.*)"$/, '$1'));
      const isNew = !seen.has(key);
      seen.add(key);
      return isNew && canKeep(key, value, mode);
    })
  );
}

function canKeep(parameter: string, value: string | undefined, mode: CompressionMode): boolean {
  switch (parameter) {
    case 'client_no_context_takeover': // as we want it
      return value === undefined;
    case 'server_no_context_takeover':
      return value === undefined && mode === 'shared';
    case 'client_max_window_bits': // we could do with any
      return value === undefined || isWindow(value);
    case 'server_max_window_bits':
      return isWindow(value) && Number(value) >= (mode === 'shared' ? SHARED_WINDOW : OWN_WINDOW);
    default:
      return false;
  }
}

function isWindow(value: string | undefined): boolean {
  return value !== undefined && /^(?:[89]|1[0-5])$/.test(value);
}
