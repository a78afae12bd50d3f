/** Options of WebSockets and their owners: what they mean, and where mistakes in them are. */
import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn } from './mistakes.ts';

const route = (websocket: string, more = '') =>
  `services: { game: { endpoints: [http://127.0.0.1:1] } }
auth: { providers: { ours: { type: jwt, algorithms: [HS256], secret: ${'x'.repeat(32)} } } }
routes:
  - name: game
    match: { path: /game }
    service: game
    websocket: ${websocket}
${more}`;

const socketsOf = (websocket: string, more?: string) => configOf(route(websocket, more)).routes[0]?.websocket;

describe('what becomes of sockets in a reload', () => {
  it.each([
    ['true', 'keep'],
    ['{ reload: drain }', 'drain'],
    ['{ reload: close }', { close: 1012 }],
    ['{ reload: { close: 4000 } }', { close: 4000 }],
  ])('%s', (written, meant) => {
    expect(socketsOf(written)?.reload).toEqual(meant);
  });

  it.each(['1005', '1006', '1015', '2000', '5000', '999'])('cannot be a close with %s', (code) => {
    expect(mistakesIn(route(`{ reload: { close: ${code} } }`))).toEqual([
      `7:35  routes[0].websocket.reload.close  ${code} is no code that a close can have; expected 1000 to 1014 without 1004 to 1006, or 3000 to 4999`,
    ]);
  });

  it('is one of a few words', () => {
    expect(mistakesIn(route('{ reload: drian }'))).toEqual([
      expect.stringMatching(/^7:26 {2}routes\[0\]\.websocket\.reload {2}.*keep, drain, close/),
    ]);
  });
});

describe('handshakes', () => {
  it('have a rate, a burst, and a time over which the others come back', () => {
    expect(socketsOf('{ handshakes: { rate: 100/s } }')?.handshakes).toEqual({
      rate: { count: 100, periodMs: 1000 },
      spread: 5000,
    });
    expect(socketsOf('{ handshakes: { rate: 5/min, burst: 9, spread: 30s } }')?.handshakes).toEqual({
      rate: { count: 5, periodMs: 60_000 },
      burst: 9,
      spread: 30_000,
    });
  });

  it.each([
    ['{ handshakes: { burst: 9 } }', /routes\[0\]\.websocket\.handshakes\.rate {2}is missing/],
    ['{ handshakes: { rate: 100 } }', /handshakes\.rate .*a rate such as 100\/s/],
    ['{ handshakes: { rate: 100/s, brust: 9 } }', /handshakes\.brust .*did you mean burst/],
  ])('%s is a mistake', (written, says) => {
    expect(mistakesIn(route(written))).toEqual([expect.stringMatching(says)]);
  });
});

describe('new credentials', () => {
  it('need old ones: by the route, or by `defaults`', () => {
    expect(mistakesIn(route('{ refresh: true }'))).toEqual([
      '7:27  routes[0].websocket.refresh  nobody is asked for credentials here, so there are none to be renewed; expected auth beside websocket',
    ]);
    expect(socketsOf('{ refresh: true }', '    auth: ours\n')?.refresh).toBe(true);
    expect(socketsOf('{ refresh: true }', 'defaults: { auth: ours }\n')?.refresh).toBe(true);
    expect(mistakesIn(route('{ refresh: true }', '    auth: off\ndefaults: { auth: ours }\n'))).toHaveLength(
      1,
    );
  });
});

describe('the time over which sockets leave', () => {
  it('fits into that of the drain', () => {
    expect(configOf('drain: { timeout: 10s, sockets: 10s }').drain.sockets).toBe(10_000);
    expect(configOf('drain: {}').drain.sockets).toBeUndefined();
    expect(mistakesIn('drain: { timeout: 10s, sockets: 11s }')).toEqual([
      '1:33  drain.sockets  sockets would be cut before it is their turn; expected at most `timeout`',
    ]);
  });
});
