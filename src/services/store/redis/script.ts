/** Scripts in Redis: sent by their hash, and in full where that is not known. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function scriptOf(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** A Redis that was restarted or has failed over does not know the script. */
export async function run(
  redis: Redis,
  { text, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!/^NOSCRIPT/.test((error as Error).message)) throw error;
    return await redis.eval(text, keys.length, ...keys, ...args);
  }
}
