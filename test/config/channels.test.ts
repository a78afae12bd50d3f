import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn } from './mistakes.ts';

const route = (options: string) =>
  `routes:\n  - { name: feed, match: { path: '/feed/:room' }, ${options} }\n`;

describe('channels', () => {
  it('have defaults', () => {
    const { routes, channels } = configOf(route("websocket: true, channels: { allow: ['ticks.*'] }"));
    expect(routes[0].channels).toEqual({
      allow: [{ match: 'ticks.*', roles: [], scopes: [], permissions: [] }],
      history: { size: 100, ttl: 60_000 },
      maxSubscriptions: 100,
      slow: 'recover',
      slowFor: 10_000,
      buffer: 262_144,
      events: { keepAlive: 15_000, retry: 3_000 },
      presence: null,
    });
    expect(channels).toEqual({ memory: 134_217_728, max: 100_000, maxMessage: 65_536 });
  });

  it('need neither WebSockets nor a history', () => {
    const { routes } = configOf(route("channels: { allow: ['a'], history: off }"));
    expect(routes[0]).toMatchObject({ websocket: null, channels: { history: { size: 0 } } });
  });

  it('take the place of a service', () => {
    const services = 'services: { a: { endpoints: ["http://127.0.0.1:1"] } }\n';
    expect(mistakesIn(services + route("service: a, channels: { allow: ['a'] }"))).toEqual([
      '3:63  routes[0].channels  service and channels exclude each other; expected exactly one of service, respond, redirect, builtin, channels',
    ]);
    expect(mistakesIn(route("channels: { allow: ['a'] }, rewrite: { prefix: / }"))[0]).toContain(
      'rewrite changes what a service gets',
    );
  });

  it('need a way in', () => {
    expect(mistakesIn(route("channels: { allow: ['a'], events: false }"))).toEqual([
      expect.stringContaining('nobody can come in: there are neither WebSockets nor events'),
    ]);
  });

  it('have patterns that mean something', () => {
    const fault = (pattern: string) =>
      mistakesIn(route(`auth: anonymous, channels: { allow: ['${pattern}'] }`)).map((mistake) =>
        mistake.replace(/^\S+ +/, '').replace(/; expected.*/, ''),
      );
    const at = 'routes[0].channels.allow[0]  ';
    expect(fault('ticks.*')).toEqual([]);
    expect(fault('private.${auth.user}.*')).toEqual([]);
    expect(fault('room-${param.room}.${claim.team.id}')).toEqual([]);
    expect(fault('ticks.EUR*')).toEqual([`${at}"*" is a whole segment: "EUR*" is not`]);
    expect(fault('ticks..x')).toEqual([`${at}between two dots stands a segment, and neither end has a dot`]);
    expect(fault('a b')).toEqual([`${at}"a b" has other characters than letters, digits and _ : ~ % -`]);
    expect(fault('x'.repeat(129))).toEqual([`${at}a pattern has at most 128 characters`]);
    expect(fault('a.${param.id}')).toEqual([`${at}the path of this route has no parameter "id"`]);
    expect(fault('a.${user.name}')).toEqual([
      `${at}no variable is called "user.name": there are auth.user, auth.consumer, auth.plan, claim.NAME, param.NAME`,
    ]);
  });

  it('ask about callers only where callers are asked', () => {
    const who =
      'the rule is about who is calling, and nobody is asked on this route; expected "auth" beside channels';
    for (const rule of [
      "'private.${auth.user}'",
      '{ match: a, roles: [admin] }',
      '{ match: a, when: "user == \'x\'" }',
    ]) {
      expect(mistakesIn(route(`channels: { allow: [${rule}] }`))).toEqual([expect.stringContaining(who)]);
      expect(mistakesIn(`defaults: { auth: anonymous }\n${route(`channels: { allow: [${rule}] }`)}`)).toEqual(
        [],
      );
    }
    expect(
      mistakesIn(route("auth: anonymous, channels: { allow: [{ match: a, when: 'usr == 1' }] }"))[0],
    ).toMatch(/allow\[0\]\.when {2}unknown name "usr"/);
    expect(
      mistakesIn(route("auth: anonymous, channels: { allow: [{ match: a, permissions: ['a b'] }] }"))[0],
    ).toContain('"a b" has white space in it');
  });

  it('say themselves what becomes of slow clients', () => {
    const text = route(
      "auth: anonymous, websocket: { slow: close, refresh: true }, channels: { allow: ['a'] }",
    );
    expect(mistakesIn(text)).toEqual([
      expect.stringContaining('slow is about a service, and this route has channels; expected channels.slow'),
      expect.stringContaining('clients of channels can always show new credentials'),
    ]);
  });
});
