import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/schema.ts';
import { UPSTREAM_RESET } from '../../src/errors.ts';
import { Exchange } from '../../src/exchange.ts';
import { createAccessLog } from '../../src/observe/access-log.ts';

const ALL: Config['accessLog'] = {
  mode: 'all',
  sample: 0.01,
  headers: [],
  redactQuery: ['token', 'api_key'],
};

describe('an access line', () => {
  test('says what happened, how long each part took, and who failed', () => {
    const line = logOne({}, { failure: UPSTREAM_RESET, status: 502, attempts: 2 });
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      msg: 'access',
      worker: 3,
      request_id: 'id-1',
      client: '10.0.0.1',
      method: 'GET',
      protocol: 'https',
      host: 'api.example.com',
      path: '/quotes/x',
      route: 'quotes',
      service: 'quotes',
      endpoint: 'http://10.0.0.2:9001',
      attempts: 2,
      status: 502,
      bytes_in: 10,
      bytes_out: 20,
      duration_ms: 12.346,
      upstream_ms: 10.1,
      gateway_ms: 2.246,
      failure: 'UPSTREAM_RESET',
      blame: 'upstream',
    });
  });

  test('of a client that left says so', () => {
    expect(logOne({}, { aborted: true })).toMatchObject({ aborted: true });
  });

  test('of a request that no route took has no service', () => {
    const line = logOne({}, { route: null, attempts: 0 });
    expect(line).toMatchObject({ route: null });
    expect(line).not.toHaveProperty('service');
  });

  test('shows the headers it is asked for, but never secrets', () => {
    const secrets = ['authorization', 'cookie', 'proxy-authorization', 'x-api-key', 'set-cookie'];
    const headers = ['user-agent', 'Referer', 'missing', ...secrets];
    const line = logOne(
      { headers },
      {
        headers: [
          ...['user-agent', 'curl "8"', 'referer', 'https://a.example/?token=s3cret&page=2'],
          ...secrets.flatMap((name) => [name, 's3cret']),
        ],
      },
    );
    expect(JSON.stringify(line)).not.toContain('s3cret');
    expect(line.headers).toMatchObject({
      'user-agent': 'curl "8"',
      referer: 'https://a.example/?token=[redacted]&page=2',
      authorization: '[redacted]',
    });
    expect(line.headers).not.toHaveProperty('missing');
  });

  test('stays one line of JSON, short enough for one write into a pipe, whatever a client sends', () => {
    const nasty = '\n\r\u0000"\\\u2028😀\ud800'.repeat(2000);
    const lines: string[] = [];
    const log = createAccessLog(
      { ...ALL, headers: ['user-agent'] },
      { write: (line) => lines.push(line) },
      1,
    )!;
    log(exchange({ path: nasty, query: nasty, host: nasty, method: nasty, headers: ['user-agent', nasty] }));
    expect(lines).toHaveLength(1);
    expect(Buffer.byteLength(lines[0]!)).toBeLessThanOrEqual(4096);
    expect(lines[0]!.indexOf('\n')).toBe(lines[0]!.length - 1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ msg: 'access', status: 200 });
  });
});

describe('the query', () => {
  test.each([
    ['a=1&b=2', 'a=1&b=2'],
    ['token=x', 'token=[redacted]'],
    ['a=1&token=x&b=2', 'a=1&token=[redacted]&b=2'],
    ['TOKEN=x&Api_Key=y', 'TOKEN=[redacted]&Api_Key=[redacted]'],
    ['%74oken=x', '%74oken=[redacted]'],
    ['a=1;token=x;b=2', 'a=1;token=[redacted];b=2'],
    ['user[token]=x&user.api_key=y&list[]=z', 'user[token]=[redacted]&user.api_key=[redacted]&list[]=z'],
    ['token=x=y==', 'token=[redacted]'],
    ['token', 'token'],
    ['token=', 'token=[redacted]'],
    ['mytoken=x&tokens=y&token_type=z', 'mytoken=x&tokens=y&token_type=z'],
    [
      'refresh_token=x&x-amz-token=y&idToken=z',
      'refresh_token=[redacted]&x-amz-token=[redacted]&idToken=[redacted]',
    ],
    [
      'api-key=x&apiKey=y&APIKEY=z&my_api_key=w',
      'api-key=[redacted]&apiKey=[redacted]&APIKEY=[redacted]&my_api_key=[redacted]',
    ],
    ['user[refresh_token]=x&user%5Btoken%5D=y', 'user[refresh_token]=[redacted]&user%5Btoken%5D=[redacted]'],
    ['%zz=1&token=x', '%zz=1&token=[redacted]'],
    ['&&=&token=a&token=b&', '&&=&token=[redacted]&token=[redacted]&'],
  ])('%s is logged as %s', (query, shown) => {
    expect(logOne({}, { query })).toMatchObject({ query: shown });
  });
});

describe('the mode', () => {
  test('off costs nothing: there is no function', () => {
    expect(createAccessLog({ ...ALL, mode: 'off' }, { write() {} }, 1)).toBeNull();
  });

  test('sampled keeps its share, and every server error', () => {
    let lines = 0;
    const log = createAccessLog({ ...ALL, mode: 'sampled', sample: 0.1 }, { write: () => lines++ }, 1)!;
    for (let i = 0; i < 5000; i++) log(exchange({}));
    expect(lines).toBeGreaterThan(350);
    expect(lines).toBeLessThan(650);
    lines = 0;
    for (let i = 0; i < 100; i++) log(exchange({ status: 500 }));
    expect(lines).toBe(100);
  });
});

function logOne(config: object, fields: Partial<Record<keyof Exchange, unknown>>) {
  const lines: string[] = [];
  createAccessLog({ ...ALL, ...config }, { write: (line) => lines.push(line) }, 3)!(exchange(fields));
  return JSON.parse(lines[0]!);
}

function exchange(fields: Partial<Record<keyof Exchange, unknown>>): Exchange {
  return Object.assign(new Exchange(1000), {
    id: 'id-1',
    clientIp: '10.0.0.1',
    method: 'GET',
    scheme: 'https',
    host: 'api.example.com',
    path: '/quotes/x',
    route: { name: 'quotes' },
    service: { name: 'quotes' },
    endpoint: 'http://10.0.0.2:9001',
    attempts: 1,
    status: 200,
    bytesIn: 10,
    bytesOut: 20,
    upstreamMs: 10.1,
    endedAt: 1012.3456,
    ...fields,
  });
}
