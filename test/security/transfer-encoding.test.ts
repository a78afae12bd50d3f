/**
 * Request smuggling by `Transfer-Encoding` (RFC 9112 §6.1, §6.3; "CL.TE", "TE.CL" and "TE.TE"). One side obeys the length, the
 * other the chunks; or a coding is written so that only one of them recognises it. Seen as CVE-2020-7238 (Netty:
 * white space before the name), CVE-2019-16276 (Go: white space before the colon), CVE-2021-22959 and CVE-2022-32213
 * (Node's llhttp: the same, and a value that is not exactly `chunked`). Ours: the value is exactly `chunked`, once, without a Content-Length beside it.
 */
import { describe, expect, it } from 'vitest';
import { head } from '../harness/raw-client.ts';
import { LISTENER, raw, useTarget } from './target.ts';

const target = useTarget();

const CHUNKS = '3\r\nabc\r\n0\r\n\r\n';

function withCodings(...codings: string[]): string {
  return head('POST', '/attacked', ...codings.map((coding) => `Transfer-Encoding: ${coding}`)) + CHUNKS;
}

describe('a Transfer-Encoding that is not exactly "chunked"', () => {
  it.each([
    ['a prefix', 'xchunked'],
    ['a suffix', 'chunkedx'],
    ['capitals', 'Chunked'],
    ['all capitals', 'CHUNKED'],
    ['identity', 'identity'],
    ['gzip', 'gzip'],
    ['chunked twice', 'chunked, chunked'],
    ['chunked, then identity', 'chunked, identity'],
    ['identity, then chunked', 'identity, chunked'],
    ['gzip, then chunked', 'gzip, chunked'],
    ['chunked, then gzip', 'chunked, gzip'],
    ['a comma behind it', 'chunked,'],
    ['a comma before it', ',chunked'],
    ['a parameter', 'chunked;q=1'],
    ['quotes', '"chunked"'],
    ['a space inside', 'chun ked'],
    ['a tab inside', 'chun\tked'],
    ['a colon before it', ': chunked'],
    ['an empty value', ''],
    ['spaces', '  '],
    ['a letter that looks the same', '\u00d1\u0081hunked'],
  ])('%s: refused', async (_what, coding) => {
    await target.refuses(withCodings(coding), 400, 'BAD_FRAMING');
  });

  it.each([
    ['a vertical tab before it', '\x0bchunked'],
    ['a vertical tab behind it', 'chunked\x0b'],
    ['a form feed before it', '\x0cchunked'],
    ['a NUL behind it', 'chunked\0'],
    ['a NUL inside', 'chun\0ked'],
  ])('%s: refused', async (_what, coding) => {
    await target.refuses(withCodings(coding), 400, LISTENER);
  });
});

describe('more than one Transfer-Encoding', () => {
  it.each([
    ['two that agree', ['chunked', 'chunked']],
    ['a known one behind an unknown one', ['identity', 'chunked']],
    ['a known one before an unknown one', ['chunked', 'x']],
    ['an empty one first', ['', 'chunked']],
    ['an empty one behind', ['chunked', '']],
  ])('%s: refused', async (_what, codings) => {
    await target.refuses(withCodings(...codings), 400, 'BAD_FRAMING');
  });
});

describe('Transfer-Encoding and Content-Length together', () => {
  it.each([
    ['the coding first', ['Transfer-Encoding: chunked', 'Content-Length: 3']],
    ['the length first', ['Content-Length: 3', 'Transfer-Encoding: chunked']],
    ['a length of zero', ['Content-Length: 0', 'Transfer-Encoding: chunked']],
    ['an unknown coding', ['Content-Length: 3', 'Transfer-Encoding: identity']],
    ['other fields between them', ['Content-Length: 3', 'X-A: 1', 'X-B: 2', 'Transfer-Encoding: chunked']],
    ['the coding in another case', ['Content-Length: 3', 'tRANSFER-eNCODING: chunked']],
  ])('%s: refused', async (_what, fields) => {
    await target.refuses(head('POST', '/attacked', ...fields) + CHUNKS, 400, LISTENER);
  });

  it.each([
    ['an empty coding', ['Content-Length: 3', 'Transfer-Encoding:']],
    ['an empty length', ['Content-Length:', 'Transfer-Encoding: chunked']],
  ])('%s: refused', async (_what, fields) => {
    await target.refuses(`${head('POST', '/attacked', ...fields)}abc`, 400, 'BAD_FRAMING');
  });

  it.each([
    ['CL.TE', head('POST', '/attacked', 'Content-Length: 6', 'Transfer-Encoding: chunked'), '0\r\n\r\n'],
    [
      'TE.CL',
      head('POST', '/attacked', 'Transfer-Encoding: chunked', 'Content-Length: 3'),
      '3\r\nabc\r\n0\r\n\r\n',
    ],
    ['TE.TE', head('POST', '/attacked', 'Transfer-Encoding: x', 'Transfer-Encoding: chunked'), '0\r\n\r\n'],
    ['an ignored TE', head('POST', '/attacked', 'Transfer-Encoding: identity'), ''],
    ['an empty TE', head('POST', '/attacked', 'Transfer-Encoding:'), ''],
  ])('%s: what is smuggled behind it is never executed', async (_what, bytes, body) => {
    await target.cuts(`${bytes}${body}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(target.seen).toEqual([]);
  });
});

describe('a Transfer-Encoding hidden from one of two parsers', () => {
  it.each([
    ['a space before the colon', ['Transfer-Encoding : chunked']],
    ['a tab before the colon', ['Transfer-Encoding\t: chunked']],
    ['a space before the name', [' Transfer-Encoding: chunked']],
    ['a NUL in the name', ['Transfer\0-Encoding: chunked']],
    ['the value on the next line', ['Transfer-Encoding:', ' chunked']],
    ['half of the value on the next line', ['Transfer-Encoding: chun', '\tked']],
    ['the field as a continuation', ['X-A: 1', ' Transfer-Encoding: chunked']],
    ['a bare line feed before it', ['X-A: 1\nTransfer-Encoding: chunked']],
    ['a bare line feed behind it', ['Transfer-Encoding: chunked\nX-A: 1']],
    ['a NUL before it', ['X-A: 1\0Transfer-Encoding: chunked']],
    ['a semicolon for the colon', ['Transfer-Encoding; chunked']],
  ])('%s: refused', async (_what, fields) => {
    await target.refuses(head('POST', '/attacked', ...fields) + CHUNKS, 400, LISTENER);
  });

  it('as the first line of the head: refused', async () => {
    const bytes = raw('POST /attacked HTTP/1.1', ' Transfer-Encoding: chunked', 'Host: a');
    await target.refuses(bytes + CHUNKS, 400, LISTENER);
  });

  it('by an underscore, which CGI-style services read as a hyphen: refused', async () => {
    const bytes = head('POST', '/attacked', 'Transfer_Encoding: chunked', 'Content-Length: 3');
    await target.refuses(`${bytes}abc`, 400, 'BAD_HEADER');
  });
});

describe('one good Transfer-Encoding', () => {
  it.each([
    ['as everybody writes it', 'Transfer-Encoding: chunked'],
    ['without a space', 'Transfer-Encoding:chunked'],
    ['with white space around it', 'transfer-encoding: \t chunked \t '],
  ])('%s: the body reaches the service in a framing of ours', async (_what, field) => {
    const seen = await target.passes(head('POST', '/good', field) + CHUNKS);
    expect([...seen.all('content-length'), ...seen.all('transfer-encoding')]).toHaveLength(1);
    expect(seen.body.toString()).toBe('abc');
  });

  // The listener trims bytes above 0x7F from both ends of a value as if they were white space, and nothing can see it.
  // What it takes for `chunked` is what we read and frame anew; the connection ends with it, so nobody can disagree.
  it.each([
    ['a non-breaking space before it', '\u00a0chunked'],
    ['a byte order mark before it', '\u00ef\u00bb\u00bfchunked'],
    ['an accent behind it', 'chunked\u00c3\u00a9'],
  ])('%s: read as chunked, and nothing behind it is executed', async (_what, coding) => {
    expect((await target.passes(withCodings(coding))).body.toString()).toBe('abc');
    await target.cuts(`${withCodings(coding)}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(target.seen.map((request) => request.target)).not.toContain('/smuggled');
  });
});
