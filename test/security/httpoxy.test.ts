/**
 * httpoxy (CVE-2016-5385 and its siblings): CGI-style services turn the request field `Proxy` into the environment variable
 * `HTTP_PROXY`, which many libraries obey: a client then sees and answers the service's own requests. No standard knows
 * a field of that name, so it ends here.
 */
import { describe, expect, it } from 'vitest';
import { get } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget();

describe('the field Proxy', () => {
  it.each([
    ['once', ['Proxy: http://evil.example:3128']],
    ['in capitals', ['PROXY: http://evil.example:3128']],
    ['twice', ['Proxy: http://evil.example', 'proxy: http://evil.example']],
    ['empty', ['Proxy:']],
  ])('%s: does not reach the service', async (_how, fields) => {
    const seen = await target.passes(get('/good', ...fields, 'X-A: 1'));
    expect(seen.header('proxy')).toBeUndefined();
    expect(seen.header('x-a')).toBe('1');
  });

  it('with an underscore is refused', async () => {
    await target.refuses(get('/attacked', 'HTTP_PROXY: http://evil.example'), 400, 'BAD_HEADER');
  });

  it('is not confused with fields that only begin like it', async () => {
    expect((await target.passes(get('/good', 'Proxy-Status: x'))).header('proxy-status')).toBe('x');
  });
});
