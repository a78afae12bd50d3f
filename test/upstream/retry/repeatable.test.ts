import { expect, it } from 'vitest';
import { Exchange, type RequestBody } from '../../../src/exchange.ts';
import { isRepeatable } from '../../../src/upstream/retry/repeatable.ts';

function exchange(method: string, body: 'none' | 'held' | 'streamed', idempotent = false): Exchange {
  const x = new Exchange(0);
  x.method = method;
  x.idempotent = idempotent;
  if (body !== 'none') x.body = { whole: body === 'held' ? Buffer.from('body') : null } as RequestBody;
  return x;
}

it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
  '%s may be repeated, with a body that is held',
  (method) => {
    expect(isRepeatable(exchange(method, 'none'))).toBe(true);
    expect(isRepeatable(exchange(method, 'held'))).toBe(true);
    expect(isRepeatable(exchange(method, 'streamed'))).toBe(false);
  },
);

it.each(['POST', 'PATCH', 'LOCK', 'get', 'TRACE'])(
  '%s may not, unless its key tells the service',
  (method) => {
    expect(isRepeatable(exchange(method, 'none'))).toBe(false);
    expect(isRepeatable(exchange(method, 'held'))).toBe(false);
    expect(isRepeatable(exchange(method, 'held', true))).toBe(true);
    expect(isRepeatable(exchange(method, 'streamed', true))).toBe(false);
  },
);
