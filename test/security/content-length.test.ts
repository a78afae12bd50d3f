/**
 * Request smuggling by `Content-Length` (RFC 9112 §6.3, RFC 9110 §8.6; advisory class "CL.CL"). Two lengths, or one that
 * parsers read in different ways, make a proxy and its service disagree about where a request ends: what one takes for
 * body, the other executes. Seen as CVE-2019-20445 (Netty: a second length accepted) and CVE-2018-7159 (Node: `1 2` read as
 * 12). Ours: exactly one field, digits only, or the request ends here.
 */
import { describe, expect, it } from 'vitest';
import { head, post } from '../harness/raw-client.ts';
import { LISTENER, useTarget } from './target.ts';

const target = useTarget();

/** Asks for 3 bytes of body, which hide the beginning of a request from whoever reads fewer. */
function withLengths(...lengths: string[]): string {
  return head('POST', '/attacked', ...lengths.map((length) => `Content-Length: ${length}`));
}

describe('more than one Content-Length', () => {
  it.each([
    ['two that differ', withLengths('3', '4')],
    ['two that differ, the larger first', withLengths('4', '3')],
    ['two that agree', withLengths('3', '3')],
    ['three', withLengths('3', '3', '3')],
    ['a second in another case', head('POST', '/attacked', 'content-length: 3', 'CONTENT-LENGTH: 3')],
    ['a second that is empty', withLengths('3', '')],
    ['a first that is empty', withLengths('', '3')],
    ['a second that is zero', withLengths('3', '0')],
    ['a first that is zero', withLengths('0', '3')],
  ])('%s: refused', async (_what, bytes) => {
    await target.refuses(`${bytes}abc`, 400, 'BAD_FRAMING');
  });

  it('does not let what follows be executed', async () => {
    await target.cuts(`${withLengths('0', '39')}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(target.seen).toEqual([]);
  });
});

describe('a Content-Length that is no plain number', () => {
  // The listener reads the number before we do, and answers by itself.
  it.each([
    ['a list of the same', '3, 3'],
    ['a list', '3, 4'],
    ['a plus sign', '+3'],
    ['a minus sign', '-3'],
    ['hexadecimal', '0x3'],
    ['a fraction', '3.0'],
    ['an exponent', '3e0'],
    ['digits apart', '1 2'],
    ['a tab inside', '1\t2'],
    ['a word', 'three'],
    ['quotes', '"3"'],
    ['an underscore', '1_0'],
    ['a semicolon', '3;'],
    ['a non-breaking space inside', '1\u00a02'],
    ['more than 64 bits', '18446744073709551619'],
    ['far too many digits', '9'.repeat(400)],
  ])('%s: refused', async (_what, length) => {
    await target.refuses(`${withLengths(length)}abc`, 400, LISTENER);
  });

  it.each([
    ['nothing', ''],
    ['spaces only', '   '],
    ['full-width digits, which the listener trims away', '\u00ef\u00bc\u0093'],
    ['more digits than a double holds exactly', '0000000000000003'],
    ['more than any body', '9999999999999999'],
  ])('%s: refused', async (_what, length) => {
    await target.refuses(`${withLengths(length)}abc`, 400, 'BAD_FRAMING');
  });

  it('beyond 32 bits is a number, and too large a body', async () => {
    await target.refuses(`${withLengths('4294967299')}abc`, 413, 'BODY_TOO_LARGE');
  });
});

describe('one good Content-Length', () => {
  it('reaches the service as our own', async () => {
    const seen = await target.passes(post('/good', 'abc'));
    expect(seen.all('content-length')).toEqual(['3']);
    expect(seen.all('transfer-encoding')).toEqual([]);
    expect(seen.body.toString()).toBe('abc');
  });

  it('with leading zeros reaches the service without them', async () => {
    const seen = await target.passes(`${withLengths('003')}abc`);
    expect(seen.all('content-length')).toEqual(['3']);
  });

  it('of zero, or of a GET, is as good as any', async () => {
    expect((await target.passes(withLengths('0'))).body.length).toBe(0);
    const seen = await target.passes(`${head('GET', '/search', 'Content-Length: 3')}abc`);
    expect(seen.body.toString()).toBe('abc');
  });
});
