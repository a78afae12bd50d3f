import type { Contender } from './contender.ts';

/** No gateway at all: what the load and the service cost by themselves. */
export const direct: Contender = {
  name: 'direct',
  version: () => 'no gateway',
  start: async (origin) => ({ url: origin, pid: null, warmsUp: false, stop: async () => {} }),
};
