/** What operators change by the command line stands in the audit log of the gateway, like what they change by the admin API. */
import { userInfo } from 'node:os';
import { expect, it } from 'vitest';
import { guarded, openPremises, sluice } from './premises.ts';

async function keyCommand(file: string, ...args: string[]) {
  const { code, out, err } = await sluice('key', ...args, '-c', file, '--json');
  if (code !== 0) throw new Error(`sluice key ${args.join(' ')}: ${code} ${err}`);
  return JSON.parse(out);
}

const who = { remote: 'command line', operator: userInfo().username };

it('has what the command line changes while the gateway runs, once', async () => {
  const premises = await openPremises({
    workers: 2,
    auth: { providers: { partners: { type: 'apiKey' } } },
    routes: [guarded('/a', 'partners')],
  });
  const { file } = premises.gateway;
  const { id, key } = await keyCommand(file, 'create', '--consumer', 'acme');
  await keyCommand(file, 'update', id, '--name', 'nightly');
  await keyCommand(file, 'rotate', id);
  await keyCommand(file, 'list');
  await sluice('consumer', 'update', 'acme', '--disable', '-c', file);
  await keyCommand(file, 'revoke', id);
  await sluice('consumer', 'remove', 'acme', '-c', file);
  const removed = await premises.audited({ event: 'admin.consumer.remove' });
  expect(removed).toMatchObject({ ...who, consumer: 'acme', keysRevoked: 0 });
  expect(Math.abs(Date.parse(removed.at as string) - Date.now())).toBeLessThan(10_000);
  const lines = premises.gateway.log.filter(({ event }) => String(event).startsWith('admin.'));
  expect(lines.map(({ event, key }) => [event, key])).toEqual([
    ['admin.consumer.create', undefined],
    ['admin.key.create', id],
    ['admin.key.update', id],
    ['admin.key.rotate', id],
    ['admin.consumer.update', undefined],
    ['admin.key.revoke', id],
    ['admin.consumer.remove', undefined],
  ]);
  for (const line of lines) expect(line).toMatchObject({ ...who, consumer: 'acme' });
  expect(JSON.stringify(premises.gateway.log)).not.toContain(key.split('_')[3]);
});
