import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn } from './mistakes.ts';

describe('an environment variable', () => {
  it('gives a value its type after it was put in', () => {
    const text = 'listen: { port: ${PORT}, proxyProtocol: ${PROXY}, maxHeaderBytes: ${SIZE} }';
    expect(configOf(text, { PORT: '81', PROXY: 'true', SIZE: '32KiB' }).listen).toMatchObject({
      port: 81,
      proxyProtocol: true,
      maxHeaderBytes: 32_768,
    });
  });

  it('stays a text in quotes', () => {
    const text = 'routes: [{ name: a, match: { path: /, headers: { x-v: "${V}" } }, respond: {} }]';
    expect(configOf(text, { V: '2' }).routes[0]?.match.headers).toEqual({ 'x-v': { exact: '2' } });
  });

  it('may be a part of a value, and occur several times', () => {
    expect(configOf('listen: ${HOST}:${PORT}', { HOST: '127.0.0.1', PORT: '81' }).listen).toMatchObject({
      host: '127.0.0.1',
      port: 81,
    });
  });

  it('works inside brackets without quotes', () => {
    const text = 'services: { a: { endpoints: [${A}, { url: ${B:-http://b:1}, weight: ${W} }] } }';
    expect(configOf(text, { A: 'http://a', W: '3' }).services.a?.endpoints).toEqual([
      { url: 'http://a', weight: 1 },
      { url: 'http://b:1', weight: 3 },
    ]);
  });

  it('adds no structure, whatever its value', () => {
    expect(mistakesIn('log: ${X}', { X: '{ level: debug }' })).toEqual([
      '1:6  log  "{ level: debug }" is not allowed here; expected a mapping with level',
    ]);
  });

  it('has a default for when it is absent or empty', () => {
    const text = 'listen: ${PORT:-8081}';
    expect(configOf(text).listen.port).toBe(8081);
    expect(configOf(text, { PORT: '' }).listen.port).toBe(8081);
    expect(configOf(text, { PORT: '82' }).listen.port).toBe(82);
    expect(configOf('redis: ${REDIS:-}').redis).toBeNull();
  });

  it('that is missing is a mistake at its own place, and the only one there', () => {
    expect(mistakesIn('listen: 127.0.0.1:${PORT}\nlog: { level: "${LEVEL}" }\n')).toEqual([
      '1:19  listen  the environment variable PORT is not set; expected it to be set, or a default as in ${PORT:-default}',
      '2:16  log.level  the environment variable LEVEL is not set; expected it to be set, or a default as in ${LEVEL:-default}',
    ]);
  });

  it('with a name that cannot be one is a mistake', () => {
    expect(mistakesIn('admin: { token: "${1A}" }')).toEqual([
      expect.stringMatching(
        /^1:18 {2}admin\.token {2}\$\{1A\} is neither an environment variable nor a variable of the request; expected /,
      ),
    ]);
  });

  it('is not looked for in comments', () => {
    expect(mistakesIn('# ${NOTHING}\nlisten: 1 # ${NOTHING}\n')).toEqual([]);
  });
});

describe('a variable of the request', () => {
  it('is left alone', () => {
    const text = 'defaults: { headers: { request: { set: { x-a: "${client.ip} ${ENV}" } } } }';
    expect(configOf(text, { ENV: 'e' }).defaults.headers?.request.set).toEqual({ 'x-a': '${client.ip} e' });
  });
});

describe('$${', () => {
  const text =
    'routes:\n- name: a\n  match: { path: / }\n  respond: { body: "$${HOME} $${client.ip}", headers: { x-a: "$${HOME}" } }\n';

  it('is a literal ${ where values name no variables', () => {
    expect(configOf(text).routes[0]?.respond).toMatchObject({
      body: '${HOME} ${client.ip}',
      headers: { 'x-a': '${HOME}' },
    });
  });

  it('is kept for whoever puts the variables in where they do', () => {
    const header = 'defaults: { headers: { request: { set: { x-a: "$${client.ip}" } } } }';
    expect(configOf(header).defaults.headers?.request.set).toEqual({ 'x-a': '$${client.ip}' });
  });
});
