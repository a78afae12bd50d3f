import { z } from 'zod';
import { text } from '../fields.js';

const URL_EXPECTED = 'a URL such as redis://localhost:6379 or rediss://user:password@host:6380';

/** `host`, `host:port`, `[::1]:port`. */
function address(port: number) {
  const expected = `host:port, such as redis-1.internal:${port}`;
  return z
    .string({ error: expected })
    .regex(/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/, { error: expected })
    .transform((value) => {
      const [, host, given] = /^(.+?)(?::(\d+))?$/.exec(value) as unknown as [
        string,
        string,
        string | undefined,
      ];
      return { host: host.replace(/^\[|\]$/g, ''), port: given === undefined ? port : Number(given) };
    })
    .refine((node) => node.port > 0 && node.port < 65_536, { error: expected });
}

const login = {
  username: text()
    .optional()
    .meta({ description: 'User (ACL) of Redis.', examples: ['sluice'] }),
  password: text()
    .optional()
    .meta({ description: 'Password of Redis.', examples: ['${REDIS_PASSWORD}'] }),
  tls: z
    .boolean()
    .prefault(false)
    .meta({ description: 'Whether connections are encrypted.', examples: [true] }),
};

const sentinel = z.strictObject({
  sentinels: z
    .array(address(26_379), { error: 'a list of host:port' })
    .min(1, { error: 'at least one Sentinel' })
    .meta({ description: 'Where Sentinels are.', examples: [['sentinel-1:26379', 'sentinel-2:26379']] }),
  name: text().meta({ description: 'What the Sentinels call the master.', examples: ['mymaster'] }),
  db: z
    .int()
    .min(0)
    .prefault(0)
    .meta({ description: 'Number of the database.', examples: [2] }),
  sentinelPassword: text()
    .optional()
    .meta({ description: 'Password of the Sentinels.', examples: ['${SENTINEL_PASSWORD}'] }),
  ...login,
});

const cluster = z.strictObject({
  cluster: z
    .array(address(6_379), { error: 'a list of host:port' })
    .min(1, { error: 'at least one node' })
    .meta({
      description: 'Some nodes of a Redis Cluster; the others are found.',
      examples: [['redis-1:6379', 'redis-2:6379']],
    }),
  ...login,
});

/** Where Redis is: one server, those that Sentinels name, or a Cluster. */
export const redis = z.union([z.url({ protocol: /^rediss?$/, error: URL_EXPECTED }), sentinel, cluster], {
  error: `${URL_EXPECTED}, or a mapping with sentinels and name, or with cluster`,
});

export type RedisPlace = z.output<typeof redis>;
