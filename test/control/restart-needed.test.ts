import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { adoptable } from '../../src/control/restart-needed.ts';

test('takes everything but where and how it listens', () => {
  const running = config({ listen: '127.0.0.1:8080', workers: 2 });
  const next = config({
    listen: { host: '127.0.0.2', port: 8081, maxHeaderBytes: '32KiB', trustedProxies: ['10.0.0.0/8'] },
    admin: { host: '127.0.0.3', port: 9902, token: 'new' },
    workers: 4,
    log: { level: 'debug' },
  });
  const { config: adopted, restartNeeded } = adoptable(running, next);
  expect(restartNeeded).toEqual([
    { path: 'listen.host', running: '127.0.0.1', configured: '127.0.0.2' },
    { path: 'listen.port', running: 8080, configured: 8081 },
    { path: 'listen.maxHeaderBytes', running: 16_384, configured: 32_768 },
    { path: 'workers', running: 2, configured: 4 },
    { path: 'admin.host', running: '127.0.0.1', configured: '127.0.0.3' },
    { path: 'admin.port', running: 9901, configured: 9902 },
  ]);
  expect(adopted.listen).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    maxHeaderBytes: 16_384,
    trustedProxies: ['10.0.0.0/8'],
  });
  expect(adopted).toMatchObject({
    workers: 2,
    admin: { host: '127.0.0.1', port: 9901, token: 'new' },
    log: { level: 'debug' },
  });
});

test('Redis stays where it is as long as limits are shared through it', () => {
  const limited = {
    routes: [{ name: 'a', match: { path: '/a' }, limit: { by: ['ip'], rate: '5/s' }, respond: {} }],
  };
  const at = (redis?: unknown) => config({ ...limited, ...(redis !== undefined && { redis }) });
  const cluster = { cluster: ['one:7000'] };
  expect(adoptable(at(cluster), at(cluster)).restartNeeded).toEqual([]);
  expect(adoptable(at(), at('redis://b'))).toMatchObject({
    config: { redis: null },
    restartNeeded: [{ path: 'redis', running: 'off', configured: 'on' }],
  });
  expect(adoptable(at('redis://a'), at(cluster))).toMatchObject({
    config: { redis: 'redis://a' },
    restartNeeded: [{ path: 'redis' }],
  });
  expect(adoptable(config({ redis: 'redis://a' }), at('redis://b'))).toMatchObject({
    config: { redis: 'redis://b' },
  });
});

test('the admin API is neither switched on nor off', () => {
  const off = config({ admin: 'off' });
  const on = config({});
  expect(adoptable(off, on)).toMatchObject({ config: { admin: null }, restartNeeded: [{ path: 'admin' }] });
  expect(adoptable(on, off)).toMatchObject({
    config: { admin: { port: 9901 } },
    restartNeeded: [{ path: 'admin' }],
  });
});

test('TLS is neither switched on nor off', () => {
  const plain = config({});
  const tls = { cert: '/c', key: '/k', sni: [] };
  const secure: Config = { ...plain, listen: { ...plain.listen, tls } };
  expect(adoptable(plain, secure)).toMatchObject({
    config: { listen: { tls: null } },
    restartNeeded: [{ path: 'listen.tls' }],
  });
  expect(adoptable(secure, plain)).toMatchObject({
    config: { listen: { tls } },
    restartNeeded: [{ path: 'listen.tls' }],
  });
  const renewed = { ...secure, listen: { ...secure.listen, tls: { ...tls, cert: '/new' } } };
  expect(adoptable(secure, renewed)).toMatchObject({
    config: { listen: { tls: { cert: '/new' } } },
    restartNeeded: [],
  });
});

test('an unchanged file needs no restart', () => {
  expect(adoptable(config({}), config({})).restartNeeded).toEqual([]);
});

function config(text: object): Config {
  const parsed = parseConfig(JSON.stringify({ routes: [], ...text }), 'sluice.yaml', {});
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes));
  return parsed.config;
}
