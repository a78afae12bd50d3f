/** Sessions on two machines: each has its own store, and Redis between them. */
import { spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { MINUTE, ORIGIN, openSite, SECOND, type Site } from './site.ts';

const TOKEN = '/token';

async function startRedis(): Promise<{ url: string }> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const child = spawn('redis-server', ['--port', String(port), '--save', '', '--bind', '127.0.0.1'], {
    stdio: 'ignore',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.on('error', () => resolve(false));
      }),
  );
  return { url: `redis://127.0.0.1:${port}` };
}

async function openMachines(): Promise<{ here: Site; there: Site }> {
  const { url } = await startRedis();
  const here = await openSite({ redis: url });
  return { here, there: await openSite({ beside: here, redis: url }) };
}

test('a login that began here ends there, and its session is found on both', async () => {
  const { here, there } = await openMachines();
  const { location, setCookie } = await here.oidc.login({ provider: 'web', origin: ORIGIN, returnTo: '/' });
  const back = await here.issuer.visit(location);
  const end = await there.finish(back.search.slice(1), setCookie);
  const sid = /__Host-sid=([^;]+)/.exec(end.setCookies.join())?.[1] as string;
  for (const machine of [here, there]) {
    expect(await machine.oidc.findSession({ provider: 'web', sid })).toEqual({ found: true });
  }
  expect(await here.oidc.findSession({ provider: 'web', sid: 'x' })).toEqual({ found: false });
});

test('tokens are renewed once for both, time after time', async () => {
  const { here, there } = await openMachines();
  const { sid } = await here.login();
  await there.oidc.findSession({ provider: 'web', sid });
  for (let round = 1; round <= 5; round++) {
    here.clock += MINUTE;
    here.issuer.hits.clear();
    const answers = await Promise.all([here, there, here, there].map((machine) => machine.refresh(sid)));
    expect(answers.map(({ result }) => result)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(here.issuer.hitsOf(TOKEN)).toBe(1);
  }
});

test('an id is replaced once for both, time after time', async () => {
  const { here, there } = await openMachines();
  let { sid } = await here.login();
  await there.oidc.findSession({ provider: 'web', sid });
  for (let round = 1; round <= 5; round++) {
    here.clock += MINUTE;
    const answers = await Promise.all([here, there].map((machine) => machine.refresh(sid, true)));
    expect(answers[0]).toMatchObject({ result: 'ok' });
    expect(answers[1]).toEqual(answers[0]);
    sid = (answers[0] as { sid: string }).sid;
    await Promise.all([here, there].map(({ oidc }) => oidc.findSession({ provider: 'web', sid })));
  }
});

test('a stolen id that is used there ends the sessions here', async () => {
  const { here, there } = await openMachines();
  const { sid } = await here.login();
  await there.oidc.findSession({ provider: 'web', sid });
  await here.refresh(sid, true);
  here.clock += 11 * SECOND;
  await eventually(() => there.session(sid)?.replacedAt !== undefined);
  expect((await there.refresh(sid)).result).toBe('ended');
  await eventually(() => here.sessions().length === 0);
});

test('all sessions of a user end on both within a second', async () => {
  const { here, there } = await openMachines();
  await here.login();
  await there.login();
  await eventually(() => here.sessions().length === 2 && there.sessions().length === 2);
  expect(await here.oidc.revokeUser('web', 'alice')).toBe(2);
  await eventually(() => there.sessions().length === 0, { withinMs: 1000 });
});
