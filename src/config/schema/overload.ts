import { z } from 'zod';
import { duration, ratio, reject, size } from '../units.js';

const OFF = ['off', false] as const;

const PLACES = 'a whole number from 1 to 1000000, or off';
const places = z.int({ error: PLACES }).min(1, { error: PLACES }).max(1_000_000, { error: PLACES });

const inFlight = z
  .union([z.literal(OFF).transform(() => 0), places], { error: PLACES })
  .prefault(5_000)
  .meta({
    description: 'Requests in flight in one worker. Refused ones do not count. `off`: no ceiling.',
    examples: [5_000, 'off'],
  });

const MEMORY = 'a share such as 80%, a size such as 1GiB, or off';

const memory = z
  .union([z.string(), z.number(), z.literal(false)], { error: MEMORY })
  .transform((value, context): { share: number } | { bytes: number } | null => {
    if (value === 'off' || value === false) return null;
    if (String(value).endsWith('%')) {
      const share = ratio().safeParse(value).data ?? 0;
      return share > 0 ? { share } : reject(context, `"${value}" is no share of the memory`, MEMORY);
    }
    const bytes = size({ min: 67_108_864 }).safeParse(value);
    if (bytes.success) return { bytes: bytes.data };
    const { message, params } = bytes.error.issues[0] as { message: string; params?: { expected?: string } };
    return reject(context, message, params?.expected?.startsWith('at ') ? params.expected : MEMORY);
  })
  .prefault('80%')
  .meta({
    title: 'share or size',
    description:
      'A share is of the limit of the container (cgroup), else of the machine, and all that runs there counts. A size is the resident memory of one worker. `off`: no ceiling.',
    examples: ['80%', '1GiB', 'off'],
  });

/** When the gateway itself has too much to do. */
export const overload = z
  .strictObject({
    loopDelay: duration({ off: true, min: 5, max: 60_000 })
      .prefault('50ms')
      .meta({
        description: 'How late the event loop of a worker may run its timers. `off`: no ceiling.',
        examples: ['50ms', 'off'],
      }),
    inFlight,
    memory,
    retryAfter: duration({ min: 1_000, max: 3_600_000 })
      .prefault('5s')
      .meta({
        description: '`Retry-After` of refused requests: whole seconds from 1 to this, evenly spread.',
        examples: ['5s'],
      }),
  })
  .superRefine(({ loopDelay, inFlight, memory }, context) => {
    if (loopDelay === 0 && inFlight === 0 && memory === null)
      reject(context, 'every ceiling is off', 'a ceiling, or no overload section');
  })
  .nullable()
  .prefault(null)
  .meta({
    description:
      'Ceilings beyond which the gateway refuses requests with 503, those of the lowest `priority` first (docs/overload.md). Absent: there are none.',
    examples: [{ loopDelay: '50ms', inFlight: 5_000, memory: '80%' }],
  });
