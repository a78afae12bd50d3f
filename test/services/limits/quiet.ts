/** What gates are built with besides memory and engine, for those who look at something else. */
import { createLog } from '../../../src/observe/log.ts';

export const QUIET = {
  log: createLog({ write: () => {} }, 'info', {}),
  decided: () => ({ throttled: 0, kept: 0, released: 0 }),
  queues: null,
  strict: null,
};
