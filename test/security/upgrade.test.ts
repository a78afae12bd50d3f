/**
 * Smuggling by upgrade to HTTP/2 in clear text ("h2c smuggling"; RFC 9113 §3.1 took `Upgrade: h2c` away). A proxy that passes the
 * upgrade on turns into a blind tunnel: all further requests on the connection pass it unseen. Seen in Traefik, HAProxy
 * and others. Ours: `Upgrade` and what belongs to it end at the gateway.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, get } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget();

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

describe('an upgrade', () => {
  it.each([
    ['to h2c', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']],
    ['to h2c without its settings', ['Connection: Upgrade', 'Upgrade: h2c']],
    ['to h2c that Connection does not name', ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']],
    ['to h2', ['Connection: Upgrade', 'Upgrade: h2']],
    ['to TLS', ['Connection: Upgrade', 'Upgrade: TLS/1.2']],
    ['to several', ['Connection: upgrade', 'Upgrade: h2c, websocket']],
    ['to something unknown', ['Connection: Upgrade', 'Upgrade: \x41\x42']],
  ])('%s is not passed on: the request is answered as any other', async (_what, fields) => {
    const seen = await target.passes(get('/good', ...fields));
    expect(seen.header('upgrade')).toBeUndefined();
    expect(seen.header('http2-settings')).toBeUndefined();
    expect(seen.header('connection') ?? 'keep-alive').toBe('keep-alive');
  });

  it('that a service would accept opens no tunnel', async () => {
    target.service.on('/tunnel', (socket, request) => {
      const agreed = request.header('upgrade') === 'h2c';
      socket.write(
        agreed
          ? 'HTTP/1.1 101 Switching Protocols\r\n\r\n'
          : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno',
      );
    });
    const client = await connectRaw(target.gateway.url);
    client.send(
      get('/tunnel', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMA'),
    );
    const answer = await client.answer();
    expect(`${answer.status} ${answer.body}`).toBe('200 no');
    expect((await client.send(PREFACE).answer()).status).toBe(505);
    await client.closed(2000);
  });

  it('that a service makes unasked is its mistake, and no tunnel either', async () => {
    target.service.on(
      '/switching',
      (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n'),
    );
    const client = await connectRaw(target.gateway.url);
    const answer = await client.send(get('/switching')).answer();
    expect(answer.status).toBe(502);
    await target.stands(false);
  });
});
