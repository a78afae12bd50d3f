/** The values of `rewrite.query.set`: whatever they hold, the service reads them back as they were. */
import { describe, expect, it } from 'vitest';
import { Exchange } from '../../src/exchange.ts';
import { compileTarget } from '../../src/route/rewrite.ts';

const x = Object.assign(new Exchange(0), {
  path: '/u/a+b%20c',
  query: 'q=a+b%26c&bad=%zz',
  headers: ['x-phone', '+49 89', 'x-name', Buffer.from('Zoë').toString('latin1'), 'x-escape', '%41'],
  clientIp: '2001:db8::1',
  params: ['a+b%20c'],
});

function valueFor(written: string): string | null {
  const render = compileTarget({ query: { set: { v: written }, remove: ['q', 'bad'] } }, ['id']);
  const [path, query] = render(x).split('?');
  expect(path).toBe(x.path);
  expect(query).toMatch(/^v=[\w%.~!'()*-]*$/);
  return new URLSearchParams(query).get('v');
}

describe('the value of a query parameter', () => {
  it.each([
    ['a text', '+01:00 & %41#é', '+01:00 & %41#é'],
    ['a parameter of the path, where a plus is a plus', '${param.id}', 'a+b c'],
    ['a parameter of the query, where a plus is a space', '${query.q}', 'a b&c'],
    ['one that is not well encoded', '${query.bad}', '%zz'],
    ['a header, whose bytes are UTF-8', '${header.x-name}: ${header.x-phone}', 'Zoë: +49 89'],
    ['a header with what looks like an escape', '${header.x-escape}', '%41'],
    ['an address', '${client.ip}', '2001:db8::1'],
    ['the path as it was asked for', '${request.path}', '/u/a+b%20c'],
    ['the query as it was asked for', '${request.query}', 'q=a+b%26c&bad=%zz'],
    ['texts and variables', 'id=${param.id}+$${x}', 'id=a+b c+${x}'],
    ['nothing', '', ''],
  ])('may be %s', (_, written, read) => {
    expect(valueFor(written)).toBe(read);
  });
});
