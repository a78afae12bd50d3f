/** Channels on the admin port. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { openChannels, post, publish } from './channel-client.ts';

let gateway: RunningGateway;

beforeAll(async () => {
  gateway = await startGateway({
    channels: { maxMessage: '1KiB' },
    routes: [
      {
        name: 'feed',
        match: { path: '/feed' },
        websocket: true,
        channels: { allow: ['*'], history: { size: 3 } },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
});

describe('publishing', () => {
  it('takes any JSON, and tells where it stands', async () => {
    const client = await openChannels(gateway);
    await client.subscribe('any');
    const values = [null, 0, -1.5e300, '', 'ü"\\\n\u2028', [], {}, { deep: [{ x: true }] }];
    for (const [i, value] of values.entries()) {
      const { status, body } = await post(gateway, '/channels/any', { data: value });
      expect(status).toBe(200);
      expect(body).toEqual({ channel: 'any', offset: i + 1, epoch: expect.any(String) });
    }
    await client.until(({ offset, op }) => op === undefined && offset === values.length);
    expect(client.data('any')).toEqual(values);
  });

  it('takes several at once, in order, all of them or none', async () => {
    const { status, body } = await post(gateway, '/channels/many', [{ data: 1 }, { data: 2 }]);
    expect(status).toBe(200);
    expect(body.map(({ offset }: { offset: number }) => offset)).toEqual([1, 2]);
    expect((await post(gateway, '/channels/many', [{ data: 3 }, { dta: 4 }])).body.detail).toContain(
      '[1]: expected',
    );
    expect((await post(gateway, '/channels/many', [])).body).toEqual([]);
    expect(await publish(gateway, 'many', 5)).toMatchObject({ offset: 3 });
  });

  it('refuses what is no message, or too large', async () => {
    const refused = async (path: string, body: unknown) => {
      const answer = await post(gateway, path, body);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      return answer.status;
    };
    expect(await refused('/channels/a', {})).toBe(400);
    expect(await refused('/channels/a', { data: 1, other: 2 })).toBe(400);
    expect(await refused('/channels/a', 'text')).toBe(400);
    expect(await refused('/channels/a', null)).toBe(400);
    expect(await refused('/channels/a..b', { data: 1 })).toBe(400);
    expect(await refused(`/channels/${'x'.repeat(129)}`, { data: 1 })).toBe(400);
    expect(await refused('/channels/a', { data: 'x'.repeat(1023) })).toBe(413);
    expect(await refused('/channels/a', { data: 'ü'.repeat(512) })).toBe(413);
    expect((await post(gateway, '/channels/a', { data: 'x'.repeat(1022) })).status).toBe(200);
    expect(
      await refused(
        '/channels/a',
        Array.from({ length: 10_001 }, () => ({ data: 1 })),
      ),
    ).toBe(400);
    const { status } = await gateway.ask('/channels/a', { method: 'POST', body: '{"data":1}' });
    expect(status).toBe(415);
    const deep = '['.repeat(10_000) + ']'.repeat(10_000);
    const nested = await gateway.ask('/channels/a', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"data":${deep}}`,
    });
    expect([nested.status, nested.body.detail]).toEqual([400, 'data is nested too deep']);
  });
});

describe('a name in a path', () => {
  it('is encoded once more, and never taken for another one', async () => {
    // Of the user a.b, where all that begins with private.a is another user's.
    const name = 'private.a%2Eb.x';
    expect((await post(gateway, `/channels/${name}`, { data: 1 })).status).toBe(400);
    expect((await gateway.ask(`/channels/${name}`)).status).toBe(400);
    const { status, body } = await post(gateway, `/channels/${encodeURIComponent(name)}`, { data: 1 });
    expect([status, body.channel]).toEqual([200, name]);
    expect((await gateway.ask(`/channels/${encodeURIComponent(name)}`)).body.channel).toBe(name);
    expect((await gateway.ask('/channels/private.a.b.x')).status).toBe(404);
  });
});

describe('looking', () => {
  it('shows a channel, and pages through all', async () => {
    for (let i = 0; i < 5; i++) await publish(gateway, 'list.a', i);
    await publish(gateway, 'list.b', 1);
    await publish(gateway, 'list.c', 1);
    expect((await gateway.ask('/channels/list.a')).body).toEqual({
      channel: 'list.a',
      head: { offset: 5, epoch: expect.any(String) },
      kept: 3,
      workers: [],
    });
    const names = ({ body }: { body: { channels: { channel: string }[] } }) =>
      body.channels.map(({ channel }) => channel);
    const first = await gateway.ask('/channels?prefix=list.&limit=2');
    expect(names(first)).toEqual(['list.a', 'list.b']);
    const second = await gateway.ask(`/channels?prefix=list.&limit=2&after=${first.body.next}`);
    expect(names(second)).toEqual(['list.c']);
    expect(second.body.next).toBeNull();
    expect((await gateway.ask('/channels/none')).status).toBe(404);
    expect((await gateway.ask('/channels?limit=0')).status).toBe(400);
  });
});

describe('broadcasting', () => {
  it('refuses what says not whom', async () => {
    for (const to of [
      undefined,
      {},
      { all: false },
      { user: '' },
      { user: 'a', role: 'b' },
      { planet: 'x' },
      'all',
      null,
    ]) {
      expect((await post(gateway, '/broadcast', { to, data: 1 })).status).toBe(400);
    }
    expect((await post(gateway, '/broadcast', { to: { all: true } })).status).toBe(400);
    expect((await post(gateway, '/broadcast', { to: { all: true }, data: 'x'.repeat(2000) })).status).toBe(
      413,
    );
  });
});

it('there are none when no route has them', async () => {
  const plain = await startGateway({ routes: [{ name: 'a', match: { path: '/' }, respond: {} }] });
  expect((await post(plain, '/channels/a', { data: 1 })).status).toBe(409);
  expect((await plain.ask('/channels')).status).toBe(409);
  plain.write({
    listen: new URL(plain.url).host,
    admin: new URL(plain.admin).host,
    routes: [{ name: 'feed', match: { path: '/feed' }, websocket: true, channels: { allow: ['*'] } }],
  });
  expect((await plain.reload()).status).toBe(200);
  const client = await openChannels(plain);
  await client.subscribe('a');
  await publish(plain, 'a', 'came with a reload');
  await client.until(({ data }) => data === 'came with a reload');
});
