/** What routes say about limits. */
import { expect, it } from 'vitest';
import { mistakesIn } from './mistakes.ts';

const file = (limits: object, listed: unknown) =>
  JSON.stringify({
    limits,
    routes: [{ name: 'r', match: { path: '/' }, respond: { status: 200 }, limit: listed }],
  });

it('a limit with a mistake of its own is not called missing', () => {
  const mistakes = mistakesIn(file({ wrong: { by: ['ip'], rate: '0/s' } }, 'wrong'));
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toContain('limits.wrong.rate');
});

it('a limit that stands there twice is a mistake', () => {
  const mistakes = mistakesIn(file({ l: { by: ['ip'], rate: '1/s' } }, ['l', 'l']));
  expect(mistakes).toEqual([expect.stringContaining('"l" stands there twice')]);
});
