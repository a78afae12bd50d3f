/**
 * Header lines that parsers split in different places (RFC 9112 §5, §5.1, §5.2; RFC 9110 §5.5): white space before the colon,
 * continuation lines, bare CR or LF, NUL, bytes that are no token in a name. What one parser takes for part of a value is
 * a field of its own to another. Seen as CVE-2019-16276 (Go), CVE-2019-15605 and CVE-2022-35256 (Node), CVE-2019-20444
 * (Netty). The listener refuses most of them by itself; the rest is ours.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, exchangeRaw, get, head } from '../harness/raw-client.ts';
import { LISTENER, raw, useTarget } from './target.ts';

const target = useTarget();

/** One byte as a string of Latin-1. */
const byte = String.fromCharCode;

describe('a byte that no field name holds', () => {
  it.each([...'"(),/;<=>?@[\\]{} \t', byte(0), byte(1), byte(0x1f), byte(0x7f), byte(0x80), byte(0xff)])(
    '%j: refused',
    async (illegal) => {
      await target.refuses(get('/attacked', `X${illegal}A: 1`), 400, LISTENER);
    },
  );

  it.each([
    ['a line without a colon', get('/attacked', 'nonsense')],
    ['a line that is only white space', get('/attacked', ' ')],
    ['white space before the colon', get('/attacked', 'X-A : 1')],
    ['white space before the name', get('/attacked', ' X-A: 1')],
    ['a line that continues another', get('/attacked', 'X-A: 1', ' 2')],
    ['a line that continues another, with a tab', get('/attacked', 'X-A: 1', '\t2')],
    ['a line that continues the request line', raw('GET /attacked HTTP/1.1', ' x', 'Host: a')],
    ['an empty name at the beginning', raw('GET /attacked HTTP/1.1', ': x', 'Host: a')],
  ])('%s: refused', async (_what, bytes) => {
    await target.refuses(bytes, 400, LISTENER);
  });

  it('every character of a token may be in a name', async () => {
    const name = "x!#$%&'*+-.^`|~09az";
    expect((await target.passes(get('/good', `${name.toUpperCase()}: 1`))).header(name)).toBe('1');
  });
});

describe('a byte that no field value holds', () => {
  const controls = Array.from({ length: 0x20 }, (_, code) => code).filter(
    (code) => ![0x09, 0x0d].includes(code),
  );

  it.each(controls.map((code) => [code.toString(16), code]))('0x%s: refused', async (_hex, code) => {
    await target.refuses(get('/attacked', `X-A: a${byte(code)}b`), 400, LISTENER);
  });

  it.each([
    ['DEL', 'a\x7fb'],
    ['Latin-1', 'caf\xe9 au lait'],
    ['a lone continuation byte', 'a\x80b'],
    ['half of a character', 'a\xc3 b'],
    ['an overlong form', 'a\xc0\xafb'],
    ['a surrogate', 'a\xed\xa0\x80b'],
    ['beyond Unicode', 'a\xf4\x90\x80\x80b'],
  ])('%s: refused', async (_what, value) => {
    await target.refuses(get('/attacked', `X-A: ${value}`), 400, 'BAD_HEADER');
  });

  it('also in the fields that never reach the service', async () => {
    for (const name of ['Connection', 'Via', 'X-Forwarded-For', 'X-Real-IP', 'Proxy', 'Keep-Alive']) {
      await target.refuses(get('/attacked', `${name}: a\x7fb`), 400, 'BAD_HEADER');
    }
  });

  it('well-formed UTF-8 arrives byte for byte', async () => {
    const value = Buffer.from('a é € 𝄞 \u0085\u2028\u010a z').toString('latin1');
    expect((await target.passes(get('/good', `X-A: ${value}`))).header('x-a')).toBe(value);
  });

  it('a tab is white space', async () => {
    expect((await target.passes(get('/good', 'X-A: a\tb'))).header('x-a')).toBe('a\tb');
  });
});

describe('line ends', () => {
  it.each([
    ['LF alone in the whole head', 'GET /attacked HTTP/1.1\nHost: a\n\n', 505],
    ['LF alone behind the request line', 'GET /attacked HTTP/1.1\nHost: a\r\n\r\n', 505],
    ['LF alone behind a field', 'GET /attacked HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n', 400],
    ['LF alone at the end', 'GET /attacked HTTP/1.1\r\nHost: a\r\n\n', 400],
  ])('%s: refused', async (_what, bytes, status) => {
    await target.refuses(bytes, status, LISTENER);
  });

  it('a bare CR is never a line end: the head does not end, and the listener cuts the connection', async () => {
    const attacks = [
      get('/attacked', 'X-A: a\rb'),
      get('/attacked', 'X-A: a\rX-B: b'),
      get('/attacked', 'X-A: a\r\r'),
      head('POST', '/attacked', 'Transfer-Encoding: chunk\red'),
      head('POST', '/attacked', 'X-A: a\rContent-Length: 3'),
      'GET /attacked HTTP/1.1\rHost: a\r\r',
      // The listener waits for a version behind the target, and takes a CR at the beginning for a PROXY header.
      'GET /attacked\r\n\r\n',
      '\r\nGET /attacked HTTP/1.1\r\nHost: a\r\n\r\n',
    ];
    const clients = await Promise.all(
      attacks.map(async (bytes) => (await connectRaw(target.gateway.url)).send(bytes)),
    );
    await Promise.all(clients.map((client) => client.closed(14_000)));
    for (const { received } of clients) expect(received.toString()).not.toContain('HTTP/1.1 2');
    await target.stands();
  });
});

describe('a field without a name', () => {
  // The listener ends its list of fields there, and nothing can see the rest.
  it('hides what stands behind it: none of it reaches the service', async () => {
    const seen = await target.passes(get('/good', 'X-A: 1', ': x', 'X-B: 2', 'Transfer-Encoding: chunked'));
    expect(seen.header('x-a')).toBe('1');
    expect(seen.header('x-b')).toBeUndefined();
    expect(seen.header('transfer-encoding')).toBeUndefined();
  });

  it('leaves no body behind for which the service would wait', async () => {
    const answer = await exchangeRaw(target.gateway.url, head('POST', '/good', ': x', 'Content-Length: 100'));
    expect(answer.status).toBe(200);
    expect(target.seen[0].header('content-length') ?? '0').toBe('0');
  });
});
