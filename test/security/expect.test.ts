/**
 * `Expect` (RFC 9110 §10.1.1). The one expectation there is, `100-continue`, is met by the listener before the request is
 * looked at. Any other one makes a service wait, answer 417 and read the body as the next request, or (undici) costs the
 * connection that should carry it: none is passed on.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, get, head } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'all', match: { path: '/*' }, service: 'service' },
    { name: 'small', match: { path: '/small' }, service: 'service', requestSize: { maxBody: 10 } },
  ],
}));

function expecting(...values: string[]): string {
  return head('POST', '/attacked', ...values.map((value) => `Expect: ${value}`), 'Content-Length: 3');
}

describe('an expectation that nobody can meet', () => {
  it.each([
    ['another word', ['200-ok']],
    ['an empty value', ['']],
    ['a longer word', ['100-continued']],
    ['a list', ['100-continue, 200-ok']],
    ['a list of the same', ['100-continue, 100-continue']],
    ['a parameter', ['100-continue;q=1']],
    ['quotes', ['"100-continue"']],
    ['the other one on a second line', ['100-continue', '200-ok']],
    ['the other one on the first line', ['200-ok', '100-continue']],
  ])('%s: refused', async (_what, values) => {
    await target.refuses(`${expecting(...values)}abc`, 417, 'EXPECTATION_FAILED');
  });

  it('on a request without a body: refused', async () => {
    await target.refuses(get('/attacked', 'Expect: nonsense'), 417, 'EXPECTATION_FAILED');
  });

  it('is refused before the body is sent', async () => {
    await target.refuses(expecting('nonsense'), 417, 'EXPECTATION_FAILED');
  });
});

describe('Expect: 100-continue', () => {
  it('gets 100, then the answer; the service sees nothing of it', async () => {
    const client = await connectRaw(target.gateway.url);
    client.send(expecting('100-continue'));
    await client.until('HTTP/1.1 100 Continue\r\n\r\n');
    expect((await client.send('abc').answer()).status).toBe(200);
    expect(target.seen[0].header('expect')).toBeUndefined();
    expect(target.seen[0].body.toString()).toBe('abc');
  });

  it('may come together with the body', async () => {
    expect((await target.passes(`${expecting('100-continue')}abc`)).body.toString()).toBe('abc');
  });

  it('in other letters gets no 100, and is otherwise the same', async () => {
    expect((await target.passes(`${expecting('100-Continue')}abc`)).body.toString()).toBe('abc');
  });

  it.each([
    [
      'a body that is too large',
      head('POST', '/small', 'Expect: 100-continue', 'Content-Length: 11'),
      413,
      'BODY_TOO_LARGE',
    ],
    [
      'an ambiguous length',
      head('POST', '/small', 'Expect: 100-continue', 'Content-Length: 1', 'Content-Length: 2'),
      400,
      'BAD_FRAMING',
    ],
  ] as const)('before %s: refused all the same', async (_what, bytes, status, code) => {
    await target.refuses(bytes, status, code);
  });
});
