/**
 * Aliases by underscore. CGI, WSGI, PHP and others turn `X-User-Id` and `X_User_Id` into one variable, `HTTP_X_USER_ID`, and keep
 * the last: a client forges a field that the gateway sets or removes. Seen as CVE-2015-0219 (Django).
 * `listen.underscoreHeaders`: reject, drop or allow.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { get, head } from '../harness/raw-client.ts';
import { type Target, useTarget } from './target.ts';

const ALIASES = [
  'X_Request_Id',
  'X_Forwarded_For',
  'X-Forwarded_Proto',
  'X_Real_IP',
  'Content_Length',
  'Transfer_Encoding',
  '_',
  'a_',
];

const target = useTarget();

function policy(mode: string): Parameters<Target['reconfigure']>[0] {
  return (service) => ({
    listen: { host: '127.0.0.1', port: 0, underscoreHeaders: mode },
    services: { service: { endpoints: [service] } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'service' }],
  });
}

describe('by default', () => {
  it.each(ALIASES)('%s: refused', async (name) => {
    await target.refuses(get('/attacked', `${name}: 1`), 400, 'BAD_HEADER');
  });
});

describe('underscoreHeaders: reject', () => {
  beforeAll(() => target.reconfigure(policy('reject')));

  it.each(ALIASES)('%s: refused', async (name) => {
    await target.refuses(get('/attacked', `${name}: 1`), 400, 'BAD_HEADER');
  });

  it('an underscore in a value is a letter like any other', async () => {
    expect((await target.passes(get('/good', 'X-A: a_b'))).header('x-a')).toBe('a_b');
  });
});

describe('underscoreHeaders: drop', () => {
  beforeAll(() => target.reconfigure(policy('drop')));

  it.each(ALIASES)('%s: does not reach the service', async (name) => {
    const seen = await target.passes(get('/good', `${name}: 1`, 'X-A: 2'));
    expect(seen.fields.map(([field]) => field).filter((field) => field.includes('_'))).toEqual([]);
    expect(seen.header('x-a')).toBe('2');
  });

  it('a dropped alias frames nothing', async () => {
    const seen = await target.passes(
      `${head('POST', '/good', 'Content_Length: 30', 'Content-Length: 3')}abc`,
    );
    expect(seen.body.toString()).toBe('abc');
  });
});

describe('underscoreHeaders: allow', () => {
  beforeAll(() => target.reconfigure(policy('allow')));

  it.each(ALIASES)('%s: reaches the service, beside the real one', async (name) => {
    const seen = await target.passes(get('/good', `${name}: 1`));
    expect(seen.header(name.toLowerCase())).toBe('1');
    expect(seen.header('x-forwarded-for')).toBe('127.0.0.1');
  });
});
