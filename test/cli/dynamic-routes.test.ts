import { expect, it } from 'vitest';
import { configFile, sluice } from './sluice.ts';

const file = configFile(
  'dynamic.yaml',
  `services:
  quotes: { endpoints: ["http://127.0.0.1:1"], tags: [public] }
  orders: { endpoints: ["http://127.0.0.1:2"] }
routes:
  - { name: any, match: { path: "/api/:service/*" }, service: "\${param.service}", allow: ["tag:public"] }
  - { name: orders, match: { path: /orders }, service: orders }
`,
);

it('sluice routes shows what a dynamic route may choose among', () => {
  expect(sluice('routes', '-c', file).out).toContain('service ${param.service} of tag:public');
});

it('sluice explain says which service the path names, or that it is none of those allowed', () => {
  const right = sluice('explain', '-c', file, 'GET', '/api/quotes/x');
  expect(right.code).toBe(0);
  expect(right.out).toContain('service quotes: the services allowed are quotes');
  const wrong = sluice('explain', '-c', file, 'GET', '/api/orders/x');
  expect(wrong.code).toBe(1);
  expect(wrong.out).toContain('404, "orders" is none of them: the services allowed are quotes');
});

it('sluice authz test judges what the path names', () => {
  const cases = configFile(
    'dynamic-cases.yaml',
    '- { as: anonymous, method: GET, path: /api/quotes/x, expect: allow }\n- { as: anonymous, method: GET, path: /api/orders/x, expect: deny, reason: route }\n',
  );
  expect(sluice('authz', 'test', cases, '-c', file)).toMatchObject({ code: 0, err: '' });
});
