/** Mistakes that show only when several options are seen together. */
import { describe, expect, it } from 'vitest';
import { mistakesIn, warningsIn } from './mistakes.ts';

const SERVICES = 'services: { quotes: { endpoints: ["http://127.0.0.1:9001"] } }\n';

describe('who answers for a route', () => {
  it('must be a service that exists', () => {
    expect(mistakesIn(`${SERVICES}routes:\n  - { name: a, match: { path: / }, service: qoutes }\n`)).toEqual([
      '3:45  routes[0].service  there is no service "qoutes"; expected one of quotes; did you mean quotes?',
    ]);
  });

  it('must be said', () => {
    expect(mistakesIn('routes:\n  - name: a\n    match: { path: / }\n')).toEqual([
      '2:5  routes[0]  the route says nothing about who answers; expected exactly one of service, respond, redirect, builtin, channels',
    ]);
  });

  it('must be said once', () => {
    const text = `${SERVICES}routes:\n  - name: a\n    match: { path: / }\n    service: quotes\n    redirect: /b\n    respond: {}\n`;
    expect(mistakesIn(text)).toEqual([
      '6:5  routes[0].redirect  service and redirect exclude each other; expected exactly one of service, respond, redirect, builtin, channels',
      '7:5  routes[0].respond  service and respond exclude each other; expected exactly one of service, respond, redirect, builtin, channels',
    ]);
  });
});

describe('two routes', () => {
  it('cannot have the same name', () => {
    const text =
      'routes:\n  - { name: a, match: { path: /a }, respond: {} }\n  - { name: a, match: { path: /b }, respond: {} }\n';
    expect(mistakesIn(text)).toEqual([
      '3:13  routes[1].name  the route on line 2 is called "a" too; expected a name of its own',
    ]);
  });

  it('that take the same requests are both named, with their lines', () => {
    const text =
      'routes:\n  - { name: a, match: { path: "/u/:id" }, respond: {} }\n  - { name: b, match: { path: "/u/:name" }, respond: {} }\n';
    expect(mistakesIn(text)).toEqual([
      expect.stringMatching(
        /^3:23 {2}routes\[1\]\.match {2}routes "a" and "b" tie: .*\(lines 2 and 3\); expected a host, method/,
      ),
    ]);
  });

  it('are not said to tie when one of them has a condition that is wrong', () => {
    const text =
      'routes:\n  - { name: a, match: { path: /a, methods: [get] }, respond: {} }\n  - { name: b, match: { path: /a }, respond: {} }\n';
    expect(mistakesIn(text)).toEqual([expect.stringContaining('2:45  routes[0].match.methods[0]')]);
  });
});

describe('a rewrite', () => {
  const rewrite = (path: string, options: string) =>
    mistakesIn(
      `${SERVICES}routes:\n  - name: a\n    match: { path: "${path}" }\n    service: quotes\n    rewrite: { ${options} }\n`,
    );

  it.each([
    [
      '/a',
      'prefix: /',
      '6:24  routes[0].rewrite.prefix  /a has no "*", so there is no prefix before it; expected match.path to end in "/*", or rewrite.path',
    ],
    [
      '/a/*',
      'prefix: v2',
      '6:24  routes[0].rewrite.prefix  a path starts with "/"; expected a plain path such as / or /v2',
    ],
    [
      '/a/*',
      'prefix: "/:id"',
      '6:24  routes[0].rewrite.prefix  ":id" has no meaning in a prefix; expected a plain path such as / or /v2',
    ],
    [
      '/a/*',
      'prefix: /, path: /b',
      '6:27  routes[0].rewrite.path  prefix and path exclude each other; expected one of them',
    ],
    [
      '/users/:id',
      'path: "/u/:di"',
      '6:22  routes[0].rewrite.path  /users/:id has no ":di"; expected one of :id; did you mean :id?',
    ],
    [
      '/users/:id',
      'path: "/u/*"',
      '6:22  routes[0].rewrite.path  /users/:id has no "*"; expected one of :id',
    ],
    ['/users', 'path: "/u/:id"', '6:22  routes[0].rewrite.path  /users has no ":id"; expected no parameters'],
    [
      '/a',
      'query: { set: { a: "${param.id}" } }',
      '6:35  routes[0].rewrite.query.set.a  the path of this route has no parameter "id"',
    ],
    [
      '/a',
      'query: { set: { a: "${cilent.ip}" } }',
      expect.stringMatching(
        /^6:35 {2}routes\[0\]\.rewrite\.query\.set\.a {2}no variable is called "cilent\.ip"; .* did you mean \$\{client\.ip\}\?$/,
      ),
    ],
    [
      '/a',
      'query: { set: { a: "1" }, remove: [b, a] }',
      '6:54  routes[0].rewrite.query.remove[1]  "a" is set too, which drops what the client sent; expected one of the two',
    ],
    [
      '/a',
      'query: { remove: [a, b, a] }',
      '6:40  routes[0].rewrite.query.remove[2]  "a" is named already; expected each parameter once',
    ],
  ])('of %s with %s is refused', (path, options, line) => {
    expect(rewrite(path, options)).toEqual([line]);
  });

  it('needs a service', () => {
    const text =
      'routes:\n  - name: a\n    match: { path: /a }\n    respond: {}\n    rewrite: { host: keep }\n';
    expect(mistakesIn(text)).toEqual([
      '5:5  routes[0].rewrite  rewrite changes what a service gets, and this route has no service',
    ]);
  });
});

describe('the variables in a value', () => {
  const header = (value: string) =>
    mistakesIn(
      `${SERVICES}routes:\n  - name: a\n    match: { path: "/u/:id/*" }\n    service: quotes\n    headers: { request: { set: { x-a: "${value}" } } }\n`,
    );

  it('are known, or the mistake says which was meant', () => {
    expect(header('${cilent.ip}')).toEqual([
      expect.stringMatching(
        /^6:39 {2}routes\[0\]\.headers\.request\.set\.x-a {2}no variable is called "cilent\.ip"; expected one of client\.ip, .*; did you mean \$\{client\.ip\}\?$/,
      ),
    ]);
  });

  it('name parameters of the path of their own route', () => {
    expect(header('${param.id} ${param.*} ${header.user-agent} ${query.q}')).toEqual([]);
    expect(header('${param.di}')).toEqual([
      '6:39  routes[0].headers.request.set.x-a  the path of this route has no parameter "di"; expected one of param.id, param.*; did you mean ${param.id}?',
    ]);
  });

  it('are checked in redirects', () => {
    expect(
      mistakesIn('routes:\n  - { name: a, match: { path: /a }, redirect: "/${request.pth}" }\n'),
    ).toEqual([
      expect.stringMatching(
        /^2:47 {2}routes\[0\]\.redirect\.to {2}no variable is called "request\.pth"; .* did you mean \$\{request\.path\}\?$/,
      ),
    ]);
  });

  it.each(['""', '"x y"', '{ to: "x y" }', '{ to: "" }'])('do not make a URL of %s', (to) => {
    const [mistake, ...others] = mistakesIn(
      `routes:\n  - { name: a, match: { path: /a }, redirect: ${to} }\n`,
    );
    expect(mistake).toMatch(
      /^2:\d+ {2}routes\[0\]\.redirect(\.to)? {2}"(x y)?" is no URL; expected a URL or a path/,
    );
    expect(others).toEqual([]);
  });

  it('name no parameter in the defaults, which stand for many paths', () => {
    expect(mistakesIn('defaults: { headers: { response: { set: { x-a: "${param.id}" } } } }')).toEqual([
      '1:48  defaults.headers.response.set.x-a  ${param.id} has no meaning for all routes',
    ]);
  });
});

describe('a path with an encoded slash', () => {
  const route = (match: string) =>
    mistakesIn(`routes:\n  - { name: a, match: { path: ${match} }, respond: {} }\n`);

  it('needs encodedSlashes, without which no request reaches it', () => {
    expect(route('/e%2fx')).toEqual([
      '2:31  routes[0].match.path  a request with %2F in its path is refused, so the route is never taken; expected encodedSlashes: true beside it',
    ]);
    expect(route('/e%2Fx/*, encodedSlashes: true')).toEqual([]);
  });
});

describe('header operations', () => {
  const operations = (options: string) => mistakesIn(`defaults: { headers: { request: { ${options} } } }`);

  it.each([
    [
      'set: { x-q: "1" }, remove: [X-Q]',
      '1:63  defaults.headers.request.remove[0]  "X-Q" is set too, which drops what was there; expected one of the two',
    ],
    [
      'rename: { X-A: x-b }, remove: [x-a]',
      '1:66  defaults.headers.request.remove[0]  "x-a" is renamed too, and has another name by then; expected one of the two',
    ],
  ])('that undo each other are refused: %s', (options, line) => {
    expect(operations(options)).toEqual([line]);
  });

  it('may follow each other', () => {
    expect(operations('rename: { x-a: x-b, x-c: x-d }, remove: [x-b], set: { x-d: "1" }')).toEqual([]);
    expect(operations('rename: { x-a: x-b }, set: { x-a: "1" }, add: { x-b: "2" }')).toEqual([]);
    expect(operations('remove: [x-a], add: { x-a: "1" }')).toEqual([]);
  });
});

describe("headers that are Sluice's own business", () => {
  it.each([
    ['request', 'set: { Host: a }', '1:42', 'set.Host', 'is chosen by rewrite.host'],
    ['request', 'set: { content-length: "1" }', '1:42', 'set.content-length', 'says where the message ends'],
    ['request', 'add: { Connection: close }', '1:42', 'add.Connection', 'belongs to one connection'],
    ['request', 'remove: [transfer-encoding]', '1:44', 'remove[0]', 'says where the message ends'],
    ['request', 'rename: { x-host: host }', '1:53', 'rename.x-host', 'is chosen by rewrite.host'],
    ['response', 'rename: { date: x-date }', '1:46', 'rename.date', 'is written by the listener'],
    ['response', 'set: { Upgrade: h2c }', '1:43', 'set.Upgrade', 'belongs to one connection'],
  ])('are refused in a %s: %s', (way, operation, place, path, reason) => {
    const [line, ...more] = mistakesIn(`defaults: { headers: { ${way}: { ${operation} } } }`);
    expect(line).toContain(`${place}  defaults.headers.${way}.${path}  `);
    expect(line).toContain(reason);
    expect(more).toEqual([]);
  });

  it.each([
    ['"a b": c', 'set["a b"]', '"a b" cannot be the name of a header'],
    ['x-a: "a\\nb"', 'set.x-a', 'the value of a header is one line without control characters'],
    ['x-a: " b"', 'set.x-a', 'the value of a header neither begins nor ends with white space'],
  ])('and neither can %s be set', (pair, path, message) => {
    expect(mistakesIn(`defaults: { headers: { request: { set: { ${pair} } } } }`)).toEqual([
      expect.stringContaining(`  defaults.headers.request.${path}  ${message}`),
    ]);
  });
});

describe('a fixed answer', () => {
  const respond = (options: string) =>
    mistakesIn(`routes:\n  - name: a\n    match: { path: / }\n    respond: { ${options} }\n`);

  it.each([
    [
      'status: 199',
      '4:24  routes[0].respond.status  199 is not allowed here; expected a status from 200 to 599',
    ],
    [
      'status: 204, body: x',
      '4:35  routes[0].respond.body  an answer with status 204 has no body (RFC 9110 §15.3.5); expected no body, or status 200',
    ],
    [
      'status: 304, body: { a: 1 }',
      '4:35  routes[0].respond.body  an answer with status 304 has no body (RFC 9110 §15.4.5); expected no body, or status 200',
    ],
    [
      'headers: { content-length: "5" }',
      '4:27  routes[0].respond.headers.content-length  "content-length" says where the message ends',
    ],
  ])('is refused with %s', (options, start) => {
    expect(respond(options)).toEqual([expect.stringContaining(start)]);
  });

  it('may redirect only with a status that redirects', () => {
    expect(
      mistakesIn('routes:\n  - { name: a, match: { path: / }, redirect: { to: /b, status: 200 } }\n'),
    ).toEqual(['2:64  routes[0].redirect.status  200 is not allowed here; expected 301, 302, 303, 307, 308']);
  });
});

describe('a service', () => {
  it('that names an endpoint twice is refused', () => {
    const text =
      'services:\n  a:\n    endpoints: [http://a, "http://a:80/"]\nroutes: [{ name: a, match: { path: / }, service: a }]\n';
    expect(mistakesIn(text)).toEqual([
      '3:27  services.a.endpoints[1]  http://a is an endpoint of "a" already; expected each endpoint once; weight gives one a larger share',
    ]);
  });

  it('that no route uses is a warning', () => {
    expect(warningsIn(SERVICES)).toEqual(['1:13  services.quotes  no route uses the service "quotes"']);
  });
});

describe('redis', () => {
  it('is a warning while nothing uses it', () => {
    expect(warningsIn('redis: redis://localhost:6379')).toEqual([
      '1:1  redis  nothing in this configuration uses Redis',
    ]);
    const feed = '{ name: feed, match: { path: /feed }, channels: { allow: [a] } }';
    expect(warningsIn(`redis: redis://localhost:6379\nroutes: [${feed}]`)).toEqual([]);
  });
});
