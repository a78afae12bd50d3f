/** Mistakes that the schema finds: each is asserted with its exact place, because that is what a user works with. */
import { describe, expect, it } from 'vitest';
import { mistakesIn } from './mistakes.ts';

describe('an unknown option', () => {
  it('is named at its key, with what was meant and what is allowed', () => {
    expect(mistakesIn('listen: 8080\nroutez: []\n')).toEqual([
      '2:1  routez  unknown option "routez"; expected one of listen, admin, workers, redis, data, auth, limits, plans, defaultPlan, limiter, overload, channels, drain, log, accessLog, zone, services, discovery, registry, routes, defaults; did you mean routes?',
    ]);
  });

  it('is found inside a mapping that has a shorthand', () => {
    expect(mistakesIn('listen: { port: 1, hosts: a }')).toEqual([
      expect.stringMatching(/^1:20 {2}listen\.hosts {2}unknown option "hosts"; .*did you mean host\?$/),
    ]);
  });

  it('is found inside lists, and inside mappings with names of the user', () => {
    const text =
      'services:\n  quotes:\n    endpoints:\n      - url: http://a\n        wieght: 2\nroutes:\n  - name: q\n    match: { path: / }\n    service: quotes\n    oauth: {}\n';
    expect(mistakesIn(text)).toEqual([
      '5:9  services.quotes.endpoints[0].wieght  unknown option "wieght"; expected one of url, weight, zone, priority; did you mean weight?',
      expect.stringMatching(
        /^10:5 {2}routes\[0\]\.oauth {2}unknown option "oauth"; expected one of name, match, /,
      ),
    ]);
  });

  it('has no suggestion when nothing is near', () => {
    expect(mistakesIn('quux: 1')[0]).not.toContain('did you mean');
  });
});

describe('a missing option', () => {
  it('is reported at the mapping that lacks it', () => {
    expect(mistakesIn('routes:\n  - { name: a, match: { host: b }, respond: {} }\n')).toEqual([
      '2:23  routes[0].match.path  is missing; expected a path',
    ]);
  });

  it('is reported at the key when the mapping is empty', () => {
    expect(mistakesIn('routes:\n  - name: a\n    match:\n    respond: {}\n')).toEqual([
      '3:5  routes[0].match  is empty; expected a mapping with host, path, methods, headers, query, encodedSlashes',
    ]);
  });
});

describe('a value of the wrong kind', () => {
  it.each([
    [
      'a text where a mapping belongs',
      'drain: 5s',
      '1:8  drain  "5s" is not allowed here; expected a mapping with delay, timeout, sockets',
    ],
    ['a mapping where a list belongs', 'routes: { a: 1 }', '1:9  routes  is a mapping; expected a list'],
    [
      'a list where a mapping belongs',
      'services: []',
      '1:11  services  is an empty list; expected a mapping',
    ],
    [
      'a text where a switch belongs',
      'listen: { proxyProtocol: "yes" }',
      '1:26  listen.proxyProtocol  "yes" is not allowed here; expected true or false',
    ],
    [
      'a number where a text belongs',
      'routes:\n- name: a\n  match: { path: /, headers: { x-v: 2 } }\n  respond: {}',
      '3:37  routes[0].match.headers.x-v  2 is not allowed here; expected true (present), false (absent), a text (exact), or a mapping with exact or pattern; did you mean "2"?',
    ],
    [
      'a word that is none of the words',
      'log: { level: warning }',
      '1:15  log.level  "warning" is not allowed here; expected debug, info, warn, error, silent',
    ],
    [
      'a misspelt word',
      'accessLog: smapled',
      '1:12  accessLog  "smapled" is not allowed here; expected all, sampled, off, or a mapping with mode, sample, headers, redactQuery; did you mean sampled?',
    ],
    ['a number out of range', 'workers: 0', '1:10  workers  0 is not allowed here; expected at least 1'],
    [
      'neither branch of a union',
      'workers: many',
      '1:10  workers  "many" is not allowed here; expected auto, or a whole number from 1 to 1024',
    ],
  ])('is explained: %s', (_, text, line) => {
    expect(mistakesIn(text)).toEqual([line]);
  });

  it('is never shown when it may be a secret', () => {
    expect(mistakesIn('redis: http://:hunter2@host').join()).not.toContain('hunter2');
    expect(mistakesIn('admin: { token: "hunter 2" }').join()).not.toContain('hunter');
  });
});

describe('a duration', () => {
  it.each([
    ['without a unit', '5', '5 is not allowed here; expected a duration such as 250ms, 5s, 2m or 1h'],
    ['with an unknown unit', '5d', '"5d" is not a duration; expected a duration such as 250ms, 5s, 2m or 1h'],
    ['that is negative', '-5s', '"-5s" is not a duration'],
    ['that a timer cannot hold', '1000h', '1000h is too large; expected at most 576h'],
  ])('is refused %s', (_, value, message) => {
    const [line] = mistakesIn(`drain: { delay: ${value} }`);
    expect(line).toMatch(/^1:17 {2}drain\.delay {2}/);
    expect(line).toContain(message);
  });

  it('is refused where it would switch a protection off', () => {
    expect(
      mistakesIn('services: { a: { endpoints: ["http://a"], timeouts: { connect: off, idle: 0 } } }'),
    ).toEqual([
      expect.stringContaining('1:64  services.a.timeouts.connect  off is not allowed here'),
      expect.stringContaining('1:75  services.a.timeouts.idle  0 is not allowed here'),
    ]);
  });
});

describe('an address', () => {
  it.each([
    ['listen: localhost', '1:9  listen  "localhost" is not an address to listen on'],
    ['listen: 0.0.0.0:99999', '1:9  listen  port 99999 does not exist'],
    ['listen: "[::x]:80"', '1:9  listen  "::x" is not an IPv6 address'],
    ['listen: { host: "a b", port: 1 }', '1:17  listen.host  "a b" is not a host'],
    [
      'listen: { port: 70000 }',
      '1:17  listen.port  70000 is not allowed here; expected a port from 0 to 65535',
    ],
    [
      'listen: { trustedProxies: [10.0.0.0/33] }',
      '1:28  listen.trustedProxies[0]  "/33" is not a prefix length; expected /0 to /32',
    ],
    ['listen: { trustedProxies: [lan] }', '1:28  listen.trustedProxies[0]  "lan" is not a network'],
  ])('is refused: %s', (text, start) => {
    expect(mistakesIn(text)).toEqual([expect.stringContaining(start)]);
  });
});

describe('an endpoint', () => {
  it.each([
    [
      'localhost:9001',
      '"localhost:9001" is not a URL; expected http://host:port or https://host:port; did you mean http://localhost:9001?',
    ],
    ['ftp://a', '"ftp://" is not spoken to services'],
    ['http://user:pw@a', 'an endpoint carries no user or password'],
    [
      'http://a/v1',
      'an endpoint ends after the port; expected http://a here, and rewrite.prefix on the route',
    ],
    ['http://a:0', 'port 0 cannot be dialled'],
    ['http://a:99999', '"http://a:99999" is not a URL'],
    ['http://user:pw@a:99999', '"http://***@a:99999" is not a URL'],
  ])('is refused: %s', (url, message) => {
    const text = `routes: [{ name: a, match: { path: / }, service: a }]\nservices:\n  a:\n    endpoints: ["${url}"]\n`;
    expect(mistakesIn(text)).toEqual([expect.stringContaining(`4:17  services.a.endpoints[0]  ${message}`)]);
  });

  it('needs a weight from 1 to 1000', () => {
    const text =
      'routes: [{ name: a, match: { path: / }, service: a }]\nservices: { a: { endpoints: [{ url: http://a, weight: 0 }] } }';
    expect(mistakesIn(text)).toEqual([
      '2:55  services.a.endpoints[0].weight  0 is not allowed here; expected a whole number from 1 to 1000',
    ]);
  });

  it('is needed at least once', () => {
    expect(mistakesIn('services: { a: { endpoints: [] } }')[0]).toContain(
      '1:29  services.a.endpoints  is an empty list; expected at least one endpoint',
    );
  });
});

describe('what a route matches', () => {
  const match = (options: string) =>
    mistakesIn(`routes:\n  - name: a\n    respond: {}\n    match: { ${options} }\n`);

  it.each([
    [
      'path: users',
      '4:20  routes[0].match.path  a path starts with "/"; expected a path such as /users, /users/:id or /users/*; did you mean /users?',
    ],
    ['path: /a/*/b', '4:20  routes[0].match.path  "*" stands for the rest'],
    ['path: "/:a/:a"', '4:20  routes[0].match.path  the parameter ":a" appears twice'],
    ['path: "/a?b"', '4:20  routes[0].match.path  a path has no query'],
    ['path: /, host: "a.com:80"', '4:29  routes[0].match.host  a host has no port here'],
    [
      'path: /, host: [a.com, "*"]',
      '4:37  routes[0].match.host[1]  a wildcard stands for the first labels only',
    ],
    [
      'path: /, methods: [get]',
      '4:33  routes[0].match.methods[0]  "get" is not in upper case; did you mean GET?',
    ],
    ['path: /, methods: [TRACE]', '4:33  routes[0].match.methods[0]  TRACE is never forwarded'],
    ['path: /, methods: ["A B"]', '4:33  routes[0].match.methods[0]  "A B" is not a method'],
    ['path: /, methods: GET', '4:32  routes[0].match.methods  "GET" is not allowed here; expected a list'],
    [
      'path: /, methods: [GET, POST, GET]',
      '4:44  routes[0].match.methods[2]  "GET" is named already; expected each method once',
    ],
    [
      'path: /, host: [a.com, A.com]',
      '4:37  routes[0].match.host[1]  "a.com" is named already; expected each host once',
    ],
    [
      'path: /, headers: { X-A: true, x-a: false }',
      '4:45  routes[0].match.headers.x-a  "x-a" is named already, as "X-A"; expected each header once, whatever its case',
    ],
    [
      'path: /, headers: { "a b": true }',
      '4:34  routes[0].match.headers["a b"]  "a b" cannot be the name of a header',
    ],
    ['path: /, query: { q: { pattern: "(" } }', '4:46  routes[0].match.query.q.pattern  missing closing )'],
    [
      'path: /, query: { q: { pattern: a, exact: b } }',
      '4:35  routes[0].match.query.q  holds several conditions; expected exactly one of present, exact, pattern',
    ],
  ])('is refused: %s', (options, start) => {
    expect(match(options)).toEqual([expect.stringContaining(start)]);
  });
});

describe('a condition that is left empty', () => {
  const match = (options: string) =>
    mistakesIn(`routes:\n  - name: a\n    respond: {}\n    match: { path: /, ${options} }\n`);

  it.each([
    ['host: []', '4:29  routes[0].match.host  is an empty list; expected at least one host'],
    ['methods: []', '4:32  routes[0].match.methods  is an empty list; expected at least one method'],
    ['headers: {}', '4:32  routes[0].match.headers  is an empty mapping; expected at least one header'],
    ['query: {}', '4:30  routes[0].match.query  is an empty mapping; expected at least one parameter'],
  ])('does not open the route to all requests: %s', (options, line) => {
    expect(match(options)).toEqual([line]);
  });
});

describe('a list', () => {
  it.each([
    [
      'listen: { trustedProxies: [10.0.0.0/8, ::1, 10.0.0.0/8] }',
      '1:45  listen.trustedProxies[2]  "10.0.0.0/8" is named already; expected each network once',
    ],
    [
      'accessLog: { headers: [user-agent, User-Agent] }',
      '1:36  accessLog.headers[1]  "User-Agent" is named already; expected each header once',
    ],
    [
      'accessLog: { redactQuery: [token, TOKEN] }',
      '1:35  accessLog.redactQuery[1]  "TOKEN" is named already; expected each parameter once',
    ],
    [
      'defaults: { headers: { request: { remove: [X-A, x-a] } } }',
      '1:49  defaults.headers.request.remove[1]  "x-a" is named already; expected each header once',
    ],
  ])('names nothing twice: %s', (text, line) => {
    expect(mistakesIn(text)).toEqual([line]);
  });
});

describe('a header', () => {
  it.each([
    [
      'defaults: { headers: { request: { set: { X-Q: "1", x-q: "2" } } } }',
      '1:52  defaults.headers.request.set.x-q  "x-q" is named already, as "X-Q"; expected each header once, whatever its case',
    ],
    [
      'defaults: { headers: { response: { rename: { X-Q: a, x-q: b } } } }',
      '1:54  defaults.headers.response.rename.x-q  "x-q" is named already, as "X-Q"; expected each header once, whatever its case',
    ],
    [
      'routes: [{ name: a, match: { path: / }, respond: { headers: { X-Q: a, x-q: b } } }]',
      '1:71  routes[0].respond.headers.x-q  "x-q" is named already, as "X-Q"; expected each header once, whatever its case',
    ],
  ])('has one value: %s', (text, line) => {
    expect(mistakesIn(text)).toEqual([line]);
  });

  it('may be added several times, in different spellings', () => {
    expect(mistakesIn('defaults: { headers: { response: { add: { Link: a, link: b } } } }')).toEqual([]);
  });
});

describe('a name', () => {
  it('of a service or a route is lower case', () => {
    expect(
      mistakesIn(
        'services: { Quotes: { endpoints: ["http://a"] } }\nroutes: [{ name: A B, match: { path: / }, respond: {} }]',
      ),
    ).toEqual([
      expect.stringContaining(
        '1:13  services.Quotes  "Quotes" is not allowed here; expected lower-case letters',
      ),
      expect.stringContaining('2:18  routes[0].name  "A B" is not allowed here; expected lower-case letters'),
    ]);
  });
});

describe('all mistakes of a file', () => {
  it('come at once, in the order of the file, those of schema, environment and cross checks together', () => {
    const text = [
      'listen: { prot: 80 }',
      'admin: 0.0.0.0:9901',
      'services:',
      '  quotes: { endpoints: ["${MISSING}"], balanse: random }',
      'routes:',
      '  - name: a',
      '    match: { path: /a, methods: [get] }',
      '    service: qoutes',
      '    headers: { request: { set: { host: x } } }',
    ].join('\n');
    expect(mistakesIn(text).map((line) => line.split('  ').slice(0, 2).join(' '))).toEqual([
      '1:11 listen.prot',
      '2:8 admin',
      '4:26 services.quotes.endpoints[0]',
      '4:40 services.quotes.balanse',
      '7:34 routes[0].match.methods[0]',
      '8:14 routes[0].service',
      '9:34 routes[0].headers.request.set.host',
    ]);
  });

  it('come at once when there are several in one list', () => {
    const text = [
      'listen: { port: 9901, trustedProxies: [here, there] }',
      'admin: 127.0.0.1:9901',
      'services:',
      '  quotes: { endpoints: [":1", ":2"], timeouts: { connect: 1 } }',
      'routes:',
      '  - name: a',
      '    match: { path: /a, methods: [get, post] }',
      '    service: qoutes',
    ].join('\n');
    expect(mistakesIn(text).map((line) => line.split('  ').slice(0, 2).join(' '))).toEqual([
      '1:40 listen.trustedProxies[0]',
      '1:46 listen.trustedProxies[1]',
      '2:8 admin',
      '4:25 services.quotes.endpoints[0]',
      '4:31 services.quotes.endpoints[1]',
      '4:59 services.quotes.timeouts.connect',
      '7:34 routes[0].match.methods[0]',
      '7:39 routes[0].match.methods[1]',
      '8:14 routes[0].service',
    ]);
  });
});
