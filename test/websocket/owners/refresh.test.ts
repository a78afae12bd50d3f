/** New credentials without a new connection: `{"op":"auth","token":"…"}`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HS256, tokenOf } from '../../access/premises.ts';
import { eventually } from '../../harness/eventually.ts';
import type { RunningGateway } from '../../harness/gateway.ts';
import type { SocketClient } from '../../harness/sockets.ts';
import { answers, bearer, guarded, opened, PROVIDERS, post } from './guarded.ts';

const { start } = guarded();
const REFRESH = { websocket: { refresh: true } };
let gateway: RunningGateway;

beforeAll(async () => {
  gateway = await start(
    {
      game: { auth: 'players', ...REFRESH },
      short: { auth: 'short', ...REFRESH },
      traders: { auth: { anyOf: ['players'], roles: ['trader'] }, ...REFRESH },
      keys: { auth: 'partners', ...REFRESH },
      plain: { auth: 'players' },
      open: { auth: { anyOf: ['players', 'anonymous'] }, ...REFRESH },
    },
    { auth: { providers: { ...PROVIDERS, short: { ...HS256, skew: '0s' } } } },
  );
});

afterAll(async () => {
  await gateway?.end();
});

const seconds = () => Math.floor(Date.now() / 1000);

async function auth(client: SocketClient, message: unknown) {
  client.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  return JSON.parse((await client.next()) as string);
}

describe('a client that shows a new token', () => {
  it('stays beyond the end of the first one', async () => {
    const client = await opened(`${gateway.url}/short`, bearer(tokenOf({ exp: seconds() + 2 })));
    const idle = await opened(`${gateway.url}/short`, bearer(tokenOf({ exp: seconds() + 2 })));
    const exp = seconds() + 300;
    expect(await auth(client, { op: 'auth', id: 7, token: tokenOf({ exp }) })).toEqual({
      op: 'auth',
      id: 7,
      ok: true,
      expiresAt: new Date(exp * 1000).toISOString(),
    });
    expect((await idle.ended).code).toBe(4401);
    await answers(client);
  });

  it('has the roles of the new one, and is found by them', async () => {
    const client = await opened(`${gateway.url}/game`, bearer(tokenOf({ sub: 'ann', roles: ['viewer'] })));
    expect(
      await auth(client, { op: 'auth', token: tokenOf({ sub: 'ann', roles: ['trader'] }) }),
    ).toMatchObject({
      ok: true,
    });
    expect((await gateway.ask('/sockets?user=ann&role=trader')).body.sockets).toHaveLength(1);
    expect((await gateway.ask('/sockets?user=ann&role=viewer')).body.sockets).toHaveLength(0);
  });

  it('is judged by the new one from then on', async () => {
    const iat = seconds() - 60;
    const client = await opened(`${gateway.url}/game`, bearer(tokenOf({ jti: 'old', iat })));
    expect(await auth(client, { op: 'auth', token: tokenOf({ jti: 'new', iat }) })).toMatchObject({
      ok: true,
    });
    await post(gateway, '/revocations', { tokenId: 'old', provider: 'players' });
    await answers(client);
    await post(gateway, '/revocations', { tokenId: 'new', provider: 'players' });
    expect((await client.ended).code).toBe(4403);
  });

  it('that is somebody else is closed with 4403', async () => {
    const client = await opened(`${gateway.url}/game`, bearer(tokenOf({ sub: 'alice' })));
    client.socket.send(JSON.stringify({ op: 'auth', token: tokenOf({ sub: 'mallory' }) }));
    expect(await client.ended).toEqual({ code: 4403, reason: 'the credentials are of somebody else' });
  });

  it('that no longer has what the route demands is closed with 4403', async () => {
    const client = await opened(`${gateway.url}/traders`, bearer(tokenOf({ roles: ['trader'] })));
    client.socket.send(JSON.stringify({ op: 'auth', token: tokenOf({ roles: [] }) }));
    expect((await client.ended).code).toBe(4403);
  });

  it('that is no token keeps the old one, but not again and again', async () => {
    const client = await opened(`${gateway.url}/game`, bearer(tokenOf()));
    const expired = tokenOf({ exp: seconds() - 300 });
    for (const token of ['x', expired, `${tokenOf()}x`]) {
      expect(await auth(client, { op: 'auth', token })).toEqual({
        op: 'auth',
        ok: false,
        code: 'INVALID_TOKEN',
      });
    }
    await answers(client);
    client.socket.send(JSON.stringify({ op: 'auth', token: 'x' }));
    client.socket.send(JSON.stringify({ op: 'auth', token: 'y' }));
    expect((await client.ended).code).toBe(4403);
  });

  it('all the time is closed with 4429', async () => {
    for (const text of ['{"op":"auth"}', JSON.stringify({ op: 'auth', token: tokenOf() })]) {
      const client = await opened(`${gateway.url}/game`, bearer(tokenOf()));
      for (let i = 0; i < 40; i++) client.socket.send(text);
      expect(await client.ended).toEqual({ code: 4429, reason: 'too many auth messages' });
    }
  });

  it('that has come with an API key shows another one of the same consumer', async () => {
    const keys: { id: string; key: string }[] = [];
    for (const consumer of ['acme', 'acme', 'other']) {
      keys.push((await post(gateway, '/keys', { consumer })).body);
    }
    const [first, second, foreign] = keys.map(({ key }) => key);
    const client = await eventually(() =>
      opened(`${gateway.url}/keys`, { 'x-api-key': first as string }).catch(() => undefined),
    );
    await eventually(() =>
      opened(`${gateway.url}/keys`, { 'x-api-key': foreign as string }).catch(() => undefined),
    );
    expect(await auth(client, { op: 'auth', token: second })).toMatchObject({ ok: true, expiresAt: null });
    client.socket.send(JSON.stringify({ op: 'auth', token: foreign }));
    expect((await client.ended).code).toBe(4403);
  });
});

describe('messages', () => {
  it('that begin otherwise pass as they are, and no `auth` reaches the service', async () => {
    const client = await opened(`${gateway.url}/game`, bearer(tokenOf()));
    for (const text of [
      '{"op":"authenticate","token":"x"}',
      '{"token":"x","op":"auth"}',
      '{"op":"move"}',
      '{"op" : "aut',
      'x'.repeat(20_000),
    ]) {
      await answers(client, text);
    }
    const binary = Buffer.from('{"op":"auth","token":"x"}');
    client.socket.send(binary);
    expect(await client.next()).toEqual(binary);
    for (const text of [
      '{"op":"auth"}   ',
      '{ "op" : "auth", "token": 5 }',
      '{"op":"auth","token":"x"',
      '\n {"op":"auth"}',
      `{"op":"auth","token":"${'x'.repeat(20_000)}"}`,
    ]) {
      expect(await auth(client, text)).toEqual({ op: 'auth', ok: false, code: 'AUTH_MALFORMED' });
    }
  });

  it("are the service's where the route does not say `refresh`", async () => {
    const client = await opened(`${gateway.url}/plain`, bearer(tokenOf()));
    await answers(client, '{"op":"auth","token":"x"}');
  });
});

describe('a socket of nobody', () => {
  it("becomes nobody's by a token: it was opened without", async () => {
    const client = await opened(`${gateway.url}/open`);
    expect(await auth(client, { op: 'auth', token: tokenOf() })).toMatchObject({
      ok: false,
      code: 'UNAUTHENTICATED',
    });
    await answers(client);
  });

  it('is none that somebody has opened who might have done without', async () => {
    const client = await opened(`${gateway.url}/open`, bearer(tokenOf()));
    expect(await auth(client, { op: 'auth', token: 'x' })).toMatchObject({
      ok: false,
      code: 'INVALID_TOKEN',
    });
    expect(await auth(client, { op: 'auth', token: tokenOf() })).toMatchObject({ ok: true });
    await answers(client);
  });
});
