import { buildConnector, Client } from 'undici';
import { expect, it } from 'vitest';
import * as upstream from '../../src/upstream/undici.ts';

it('runs the classes that undici shows to everybody', () => {
  expect(upstream.Client).toBe(Client);
  expect(upstream.buildConnector).toBe(buildConnector);
});
