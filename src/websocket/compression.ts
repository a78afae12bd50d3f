/** permessage-deflate (RFC 7692) between a client and us: which of its offers we take. */
import type { CompressionConfig } from '../config/schema/socket/compression.js';
import type { Exchange } from '../exchange.js';

export interface Agreement {
  /** An offer that the listener answers with what we want; empty: no compression. */
  readonly offer: string;
  /** Smaller messages are sent as they are. */
  readonly fromBytes: number;
}

const SHARED = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const DEDICATED = 'permessage-deflate; client_no_context_takeover';

/** Safari 15.0 to 15.3 keep their own context although they have agreed not to. */
const CANNOT = / Version\/15\.[0-3](?:\.\d+)? .*Safari\//;

/** null: none. */
export function agreeOnCompression(x: Exchange, { mode, minBytes }: CompressionConfig): Agreement | null {
  if (mode === 'off' || x.extensions === '' || CANNOT.test(x.header('user-agent') ?? '')) return null;
  const offer = x.extensions
    .split(',')
    .map(understand)
    .find((one) => one !== null);
  if (offer === undefined || offer === null) return null;
  return { offer: mode === 'shared' || !offer.serverContext ? SHARED : DEDICATED, fromBytes: minBytes };
}

/** null: it is of another extension, or asks for what we cannot do. */
function understand(offer: string): { serverContext: boolean } | null {
  const [name = '', ...parameters] = offer.split(';').map((part) => part.trim().toLowerCase());
  if (name !== 'permessage-deflate') return null;
  let serverContext = true;
  const seen = new Set<string>();
  for (const parameter of parameters) {
    const [key = '', value] = parameter.split('=').map((part) => part.trim().replace(/^"(.*)"$/, '$1'));
    if (seen.has(key)) return null;
    seen.add(key);
    if (key === 'server_no_context_takeover' && value === undefined) serverContext = false;
    else if (key === 'client_no_context_takeover' && value === undefined) continue;
    else if (key === 'client_max_window_bits' && (value === undefined || isWindow(value))) continue;
    // The memory that all sockets share has the largest window.
    else if (key !== 'server_max_window_bits' || value !== '15') return null;
  }
  return { serverContext };
}

function isWindow(value: string): boolean {
  return /^(?:[89]|1[0-5])$/.test(value);
}
