/** Messages of channels reach sockets of all names and certificates that the listener has, and has had. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startGateway } from '../harness/gateway.ts';
import { openChannels, publish } from './channel-client.ts';

const CERTIFICATES = fileURLToPath(new URL('../config/tls/', import.meta.url));

it('under a name of its own certificate, and when certificates were replaced meanwhile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => join(folder, name);
  const take = (name: string) => {
    for (const end of ['crt', 'key']) copyFileSync(`${CERTIFICATES}${name}.${end}`, file(`now.${end}`));
  };
  take('one');
  const pair = { cert: file('now.crt'), key: file('now.key') };
  const gateway = await startGateway({
    workers: 2,
    listen: { host: '127.0.0.1', port: 0, tls: { ...pair, sni: [{ host: 'named.example.com', ...pair }] } },
    routes: [{ name: 'feed', match: { path: '/feed' }, websocket: true, channels: { allow: ['news'] } }],
  });
  const open = (servername: string) =>
    openChannels(gateway, '/feed', { rejectUnauthorized: false, servername });
  const before = await Promise.all([open('localhost'), open('named.example.com'), open('named.example.com')]);
  await Promise.all(before.map((client) => client.subscribe('news')));
  take('two');
  expect((await gateway.reload()).status).toBe(200);
  const after = await Promise.all([open('localhost'), open('named.example.com')]);
  await Promise.all(after.map((client) => client.subscribe('news')));
  for (let i = 1; i <= 3; i++) await publish(gateway, 'news', i);
  for (const client of [...before, ...after]) {
    await client.until(({ data }) => data === 3);
    expect(client.data('news')).toEqual([1, 2, 3]);
  }
});
