import { describe, expect, it } from 'vitest';
import { Exchange } from '../src/exchange.ts';
import { compileTemplate, templateFault, variableNames } from '../src/template.ts';

function exchange(fields: Partial<Exchange> = {}): Exchange {
  const x = new Exchange(0);
  return Object.assign(x, {
    method: 'GET',
    path: '/shop/7/a/b',
    query: 'page=2&q=a%20b&empty=&flag',
    host: 'shop.example.com',
    authority: 'shop.example.com:8080',
    headers: ['x-tenant', 'acme', 'x-tenant', 'second'],
    id: 'id-1',
    scheme: 'https',
    clientIp: '192.0.2.7',
    route: { name: 'shop', service: { name: 'stock' } },
    params: ['7', 'a/b'],
    ...fields,
  });
}

const PARAMS = ['id', '*'];
const render = (text: string, x = exchange()) => compileTemplate(text, PARAMS)(x);

describe('a template', () => {
  it.each([
    ['${client.ip}', '192.0.2.7'],
    ['${request.id}', 'id-1'],
    ['${request.method}', 'GET'],
    ['${request.path}', '/shop/7/a/b'],
    ['${request.query}', 'page=2&q=a%20b&empty=&flag'],
    ['${request.host}', 'shop.example.com:8080'],
    ['${request.scheme}', 'https'],
    ['${route.name}', 'shop'],
    ['${service.name}', 'stock'],
    ['${param.id}', '7'],
    ['${param.*}', 'a/b'],
    ['${header.x-tenant}', 'acme'],
    ['${header.X-Tenant}', 'acme'],
    ['${header.host}', 'shop.example.com:8080'],
    ['${query.page}', '2'],
    ['${query.q}', 'a%20b'],
  ])('renders %s', (text, rendered) => {
    expect(templateFault(text, PARAMS)).toBeNull();
    expect(render(text)).toBe(rendered);
  });

  it('puts texts and variables together', () => {
    expect(render('user=${param.id};via=${client.ip}!')).toBe('user=7;via=192.0.2.7!');
    expect(render('${param.id}${param.id}')).toBe('77');
  });

  it('is the text itself without variables', () => {
    expect(render('plain $ {text}')).toBe('plain $ {text}');
    expect(render('')).toBe('');
  });

  it('takes $${ for a literal ${', () => {
    expect(templateFault('$${client.ip}', PARAMS)).toBeNull();
    expect(render('$${client.ip}')).toBe('${client.ip}');
    expect(render('a $${x} ${param.id}')).toBe('a ${x} 7');
  });

  it('is empty for what the request does not have', () => {
    expect(render('[${header.x-absent}${query.absent}${query.empty}${query.flag}]')).toBe('[]');
    expect(render('[${service.name}${route.name}]', exchange({ route: null }))).toBe('[]');
  });

  it('renders names that objects inherit as any other', () => {
    expect(templateFault('${constructor}', PARAMS)).not.toBeNull();
    expect(render('[${header.constructor}${query.__proto__}]')).toBe('[]');
  });
});

describe('what is wrong with a template', () => {
  it('is a variable that nobody knows', () => {
    expect(templateFault('x ${client.port}', PARAMS)).toMatchObject({ variable: 'client.port' });
    expect(templateFault('${client}', PARAMS)).toMatchObject({ variable: 'client' });
    expect(templateFault('${header.}', PARAMS)).toMatchObject({ variable: 'header.' });
    expect(templateFault('${}', PARAMS)).toMatchObject({ variable: '' });
  });

  it('is a parameter that the path does not have', () => {
    expect(templateFault('${param.id}${param.name}', PARAMS)).toMatchObject({ variable: 'param.name' });
  });

  it('is looked for in all variables of the text', () => {
    expect(templateFault('${client.ip} ${nope.x}', PARAMS)).toMatchObject({ variable: 'nope.x' });
  });
});

it('lists every variable for the documentation', () => {
  expect(variableNames).toContain('client.ip');
  expect(variableNames).toContain('param.NAME');
  for (const name of variableNames.filter((n) => !n.endsWith('.NAME'))) {
    expect(templateFault(`\${${name}}`, [])).toBeNull();
  }
});
