import { describe, expect, it } from 'vitest';
import { Exchange, type RequestBody } from '../../src/exchange.ts';
import { forwardHeaders } from '../../src/upstream/forward.ts';

function fieldsOf(fields: Partial<Exchange>, authority = 'service:9001'): Record<string, string> {
  const x = Object.assign(new Exchange(0), {
    id: 'id-1',
    authority: 'shop.example.com',
    peerIp: '192.0.2.7',
    scheme: 'http',
    ...fields,
  });
  const flat = forwardHeaders(x, authority);
  const pairs = flat.flatMap((_, i) => (i % 2 === 0 ? [[flat[i], flat[i + 1]]] : []));
  expect(new Set(pairs.map(([name]) => name)).size).toBe(pairs.length);
  return Object.fromEntries(pairs);
}

describe('the fields about the way', () => {
  it('come from the connection', () => {
    expect(fieldsOf({ scheme: 'https' })).toEqual({
      host: 'service:9001',
      'x-request-id': 'id-1',
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example.com',
      forwarded: 'for=192.0.2.7;host="shop.example.com";proto=https',
      via: '1.1 sluice',
    });
  });

  it('quote IPv6 as RFC 7239 wants it, and only there', () => {
    const fields = fieldsOf({ peerIp: '2001:db8::1', authority: '[2001:db8::2]:8080' });
    expect(fields.forwarded).toBe('for="[2001:db8::1]";host="[2001:db8::2]:8080";proto=http');
    expect(fields['x-forwarded-for']).toBe('2001:db8::1');
  });

  it('ignore what an untrusted peer says', () => {
    const said = {
      forwardedFor: '1.1.1.1',
      forwardedProto: 'https',
      forwardedHost: 'evil',
      forwarded: 'for=1.1.1.1',
    };
    expect(fieldsOf(said)).toEqual(fieldsOf({}));
  });

  it('continue what a trusted peer says', () => {
    const fields = fieldsOf({
      peerTrusted: true,
      forwardedFor: '1.1.1.1, 2.2.2.2',
      forwardedProto: 'https',
      forwardedHost: 'www.example.com',
      forwarded: 'for=1.1.1.1',
      via: '2 edge',
    });
    expect(fields['x-forwarded-for']).toBe('1.1.1.1, 2.2.2.2, 192.0.2.7');
    expect(fields['x-forwarded-proto']).toBe('https');
    expect(fields['x-forwarded-host']).toBe('www.example.com');
    expect(fields.forwarded).toBe('for=1.1.1.1, for=192.0.2.7;host="www.example.com";proto=https');
    expect(fields.via).toBe('2 edge, 1.1 sluice');
  });
});

describe('the length of the body', () => {
  const body = (length: number, whole: Buffer | null = null) => ({ length, whole }) as RequestBody;

  it('is passed on for a body that is streamed', () => {
    expect(fieldsOf({ body: body(100_000) })['content-length']).toBe('100000');
  });

  it('is left to the connection for one that is held or chunked, or not there', () => {
    expect(fieldsOf({ body: body(5, Buffer.from('hello')) })['content-length']).toBeUndefined();
    expect(fieldsOf({ body: body(-1) })['content-length']).toBeUndefined();
    expect(fieldsOf({})['content-length']).toBeUndefined();
  });
});
