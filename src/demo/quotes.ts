/** A demo service: a few quotes over REST. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

interface Quote {
  readonly symbol: string;
  readonly name: string;
  readonly price: number;
}

const QUOTES: readonly Quote[] = [
  { symbol: 'ACME', name: 'Acme Corporation', price: 101.5 },
  { symbol: 'GLOBEX', name: 'Globex Corporation', price: 64.2 },
  { symbol: 'HOOLI', name: 'Hooli', price: 233.1 },
  { symbol: 'INITECH', name: 'Initech', price: 17.8 },
];

/** More than any order needs. */
const MAX_BODY_BYTES = 65_536;

/** `GET /quotes`, `GET /quotes/SYMBOL`, `POST /orders` with `{ "symbol", "quantity" }`. */
export function quotesService(): Server {
  return createServer((request, response) => {
    answer(request, response).catch(() => send(response, 400, { error: 'the order is not JSON' }));
  });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://quotes');
  if (pathname === '/orders') return await takeOrder(request, response);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, { error: 'only GET' });
  if (pathname === '/quotes') return send(response, 200, QUOTES);
  const quote = quoteOf(/^\/quotes\/(\w+)$/.exec(pathname)?.[1]);
  return quote === undefined
    ? send(response, 404, { error: `nothing at ${pathname}` })
    : send(response, 200, quote);
}

async function takeOrder(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') return send(response, 405, { error: 'only POST' });
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) return send(response, 413, { error: 'the order is too long' });
  }
  const { symbol, quantity } = JSON.parse(text) as { symbol?: string; quantity?: number };
  const quote = quoteOf(symbol);
  if (quote === undefined || typeof quantity !== 'number' || !(quantity > 0)) {
    return send(response, 422, { error: 'an order has a symbol that is quoted and a quantity above 0' });
  }
  send(response, 201, { symbol: quote.symbol, quantity, price: quote.price, total: quantity * quote.price });
}

function quoteOf(symbol: string | undefined): Quote | undefined {
  return QUOTES.find((quote) => quote.symbol === symbol?.toUpperCase());
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
