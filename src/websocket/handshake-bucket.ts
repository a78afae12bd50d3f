/** How many handshakes a route takes in what time: who is sent away is told when to come back, each another time. */
import type { WebSocketConfig } from '../config/schema/websocket.js';
import { HANDSHAKES_LIMITED, RATE_LIMITED } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { CONTINUE, type Env, type Stages, type Verdict } from '../pipeline.js';
import type { Limits } from '../services/limit-keeper.js';

type Handshakes = NonNullable<WebSocketConfig['handshakes']>;

/** Counted as a limit is, in memory that all workers share, but before everything else and for handshakes alone. */
export function handshakeBucket(
  { rate, burst, spread }: Handshakes,
  limits: Limits,
  route: Env['route'],
  random: () => number = Math.random,
): Stages {
  const own = {
    by: ['global'],
    algorithm: 'token-bucket' as const,
    rate,
    ...(burst !== undefined && { burst }),
    over: 'reject' as const,
    ipv6Prefix: 64,
    mode: 'local' as const,
  };
  const { onArrival } = limits.stages([own], { ...route, name: `${route.name}/handshakes` });
  if (onArrival === undefined) return {};
  const tell = (x: Exchange, verdict: Verdict): Verdict => {
    // Of what is counted for all together nothing is said: it is nobody's own limit.
    x.rateLimitPolicy = '';
    x.rateLimit = '';
    x.legacyLimit = null;
    if (verdict === CONTINUE) return verdict;
    x.retryAfterS = Math.max(x.retryAfterS, 1) + Math.floor((random() * spread) / 1000);
    return x.refuse(x.failure === RATE_LIMITED ? HANDSHAKES_LIMITED : (x.failure ?? HANDSHAKES_LIMITED));
  };
  return {
    onArrival(x) {
      if (!x.handshake) return CONTINUE;
      const verdict = onArrival(x);
      return typeof verdict === 'number' ? tell(x, verdict) : verdict.then((late) => tell(x, late));
    },
  };
}
