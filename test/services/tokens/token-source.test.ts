import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../src/exchange.ts';
import type { Identity } from '../../../src/services/identity.ts';
import { bearerOf, SEVERAL_TOKENS } from '../../../src/services/tokens/bearer.ts';
import { TokenSource } from '../../../src/services/tokens/token-source.ts';
import { bearer, hs, hsConfig, provider, request, said } from './forge.ts';

const everywhere = { cookie: 'at', websocket: { query: 'access_token', subprotocol: 'bearer.' } };
const source = new TokenSource(everywhere);
const handshake = (headers: string[], query = ''): Exchange => request(headers, { handshake: true, query });

describe('Authorization', () => {
  it.each([
    ['Bearer a.b.c', 'a.b.c'],
    ['bearer a.b.c', 'a.b.c'],
    ['BEARER a.b.c', 'a.b.c'],
    ['Bearer   a.b.c', 'a.b.c'],
    ['Bearer', ''],
    ['Bearer ', ''],
    ['Basic a.b.c', ''],
    ['Bearers a.b.c', ''],
    ['Bearer\ta.b.c', ''],
    ['', ''],
  ])('%j carries %j', (value, token) => {
    expect(bearerOf(request(['authorization', value]))).toBe(token);
  });

  it('twice is two credentials, whatever they are', () => {
    for (const other of ['Bearer x', 'Basic x', '']) {
      expect(bearerOf(request(['authorization', 'Bearer x', 'a', 'b', 'authorization', other]))).toBe(
        SEVERAL_TOKENS,
      );
      const outcome = provider(hsConfig()).authenticate(
        request(['authorization', `Bearer ${hs()}`, 'authorization', other]),
      );
      expect(said(outcome as Identity)).toBe('400 duplicate');
    }
  });

  it('holds one token', () => {
    expect(said(provider(hsConfig()).authenticate(bearer(`${hs()}, Bearer ${hs()}`)) as Identity)).toBe(
      '401 malformed',
    );
  });
});

describe('a cookie', () => {
  it('carries the token where the configuration names it', () => {
    expect(source.take(request(['cookie', 'a=b; at=x.y.z; c=d']))).toBe('x.y.z');
    expect(new TokenSource({ websocket: {} }).take(request(['cookie', 'at=x.y.z']))).toBe('');
  });

  it('twice, or beside Authorization, is two credentials', () => {
    expect(source.take(request(['cookie', 'at=x; at=y']))).toBe(SEVERAL_TOKENS);
    expect(source.take(request(['cookie', 'at=x', 'cookie', 'at=x']))).toBe(SEVERAL_TOKENS);
    expect(source.take(request(['cookie', 'at=x', 'authorization', 'Bearer x']))).toBe(SEVERAL_TOKENS);
    expect(source.take(request(['cookie', 'at=', 'authorization', 'Bearer x']))).toBe('x');
  });
});

describe('the handshake of a WebSocket', () => {
  it('carries the token in the query, and the service does not see it', () => {
    const x = handshake([], 'a=1&access_token=x.y%2Ez&b=2');
    expect(source.take(x)).toBe('x.y.z');
    expect(x.query).toBe('a=1&b=2');
  });

  it.each(['access_token=x', 'access%5Ftoken=x', 'access_token=x&', '%61ccess_token=x'])(
    'hides %s',
    (query) => {
      const x = handshake([], query);
      expect(source.take(x)).toBe('x');
      expect(x.query.replace('&', '')).toBe('');
    },
  );

  it('carries the token among the subprotocols, and the service sees the others', () => {
    const x = handshake(['a', 'b', 'sec-websocket-protocol', 'chat, bearer.x.y.z , v2', 'c', 'd']);
    expect(source.take(x)).toBe('x.y.z');
    expect(x.headers).toEqual(['a', 'b', 'sec-websocket-protocol', 'chat, v2', 'c', 'd']);
    const alone = handshake(['sec-websocket-protocol', 'bearer.x.y.z', 'sec-websocket-protocol', 'chat']);
    expect(source.take(alone)).toBe('x.y.z');
    expect(alone.headers).toEqual(['sec-websocket-protocol', 'chat']);
  });

  it('shows the token to each provider that looks there', () => {
    const x = handshake(['sec-websocket-protocol', 'bearer.x'], 'q=1');
    expect(source.take(x)).toBe('x');
    expect(new TokenSource(everywhere).take(x)).toBe('x');
    expect(x.headers).toEqual([]);
  });

  it('hides the token also when there are two', () => {
    const x = handshake(
      ['authorization', 'Bearer b', 'sec-websocket-protocol', 'bearer.x'],
      'access_token=y&access_token=z',
    );
    expect(source.take(x)).toBe(SEVERAL_TOKENS);
    expect(x.query).toBe('');
    expect(x.headers).toEqual(['authorization', 'Bearer b']);
  });

  it('is the only request that carries it there', () => {
    const x = request(['sec-websocket-protocol', 'bearer.x'], { query: 'access_token=x' });
    expect(source.take(x)).toBe('');
    expect(x.query).toBe('access_token=x');
  });

  it('without one stays as it is', () => {
    const x = handshake(['sec-websocket-protocol', 'chat'], 'a=%&b');
    const { headers } = x;
    expect(source.take(x)).toBe('');
    expect([x.query, x.headers]).toEqual(['a=%&b', headers]);
  });
});
