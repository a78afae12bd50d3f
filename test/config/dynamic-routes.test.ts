/** `service: ${param.NAME}`: what the configuration must say so that a path can name a service, and no other. */
import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const SERVICES = `services:
  quotes: { endpoints: ["http://127.0.0.1:9001"], tags: [public] }
  orders: { endpoints: ["http://127.0.0.1:9002"] }
`;
const route = (options: string, path = '/api/:service/*') =>
  `${SERVICES}routes:\n  - { name: any, match: { path: "${path}" }, ${options} }\n`;
const without = (options: string, path?: string) =>
  mistakesIn(route(options, path)).map((line) => line.replace(/^\S+ {2}/, ''));

describe('a route whose path names the service', () => {
  it('is no place for a variable of the environment: the parameter stays as it is written', () => {
    const config = configOf(route("service: '${param.service}', allow: [quotes, orders]"));
    expect(config.routes[0]).toMatchObject({ service: '${param.service}', allow: ['quotes', 'orders'] });
  });

  it('uses the services that it allows, by name or by tag', () => {
    expect(warningsIn(route("service: '${param.service}', allow: [orders, 'tag:public']"))).toEqual([]);
    expect(warningsIn(route("service: '${param.service}', allow: ['tag:public']"))).toEqual([
      expect.stringContaining('no route uses the service "orders"'),
    ]);
  });

  it('says what may be named', () => {
    expect(without("service: '${param.service}'")).toEqual([
      'routes[0].service  the path would say which service answers, with nothing to say which ones it may; expected allow: a list of services, or of tags as in tag:public',
    ]);
    expect(without("service: '${param.service}', allow: []")).toEqual([
      expect.stringContaining('at least one service'),
    ]);
  });

  it('names a parameter that its path has', () => {
    expect(without("service: '${param.servise}', allow: [quotes]")).toEqual([
      'routes[0].service  /api/:service/* has no parameter ":servise"; expected ${param.service}; did you mean ${param.service}?',
    ]);
    expect(without("service: '${param.service}', allow: [quotes]", '/api/*')).toEqual([
      'routes[0].service  /api/* has no parameter ":service"; expected a path such as /api/:service/*',
    ]);
    expect(without("service: '${param.*}', allow: [quotes]", '/api/*')).toHaveLength(1);
  });

  it('names nothing but that parameter', () => {
    for (const service of ['${param.service}-v2', '${header.x-service}', '${param.}', 'x-${param.service}']) {
      expect(without(`service: '${service}', allow: [quotes]`)).toEqual([
        expect.stringContaining(`"${service}" does not name a service`),
      ]);
    }
  });

  it('allows what exists', () => {
    expect(without("service: '${param.service}', allow: [qoutes, 'tag:pubic', quotes]")).toEqual([
      'routes[0].allow[0]  there is no service "qoutes"; expected one of quotes, orders; did you mean quotes?',
      'routes[0].allow[1]  no service has the tag "pubic"; expected a tag of a service, as in tags: [pubic]',
    ]);
  });
});

it('allow says nothing beside a fixed service', () => {
  expect(without('service: quotes, allow: [orders]')).toEqual([
    'routes[0].allow  allow is for routes whose path names the service; expected service: ${param.NAME} beside it, or no allow',
  ]);
});
