/** Waits for all of a request's body: what a key stands for is only known then. */
import type { Exchange } from '../../exchange.js';

const LOOK_EVERY_MS = 2000;
/** Looks without anything new, in a row: below the 10 s after which the listener cuts a silent client without a word. */
const MOST_QUIET_LOOKS = 4;

export type Collected = 'whole' | 'too large' | 'stalled';

/** A client that leaves takes the question with it. */
export function wholeBody(x: Exchange, maxBody: number): Collected | Promise<Collected> {
  const { body } = x;
  if (body === null || body.whole !== null) return 'whole';
  const { limit } = body;
  const most = Math.min(limit, maxBody);
  if (body.length > most || body.received > most) return 'too large';
  return new Promise((resolve) => {
    let seen = body.received;
    let quiet = 0;
    const end = (collected: Collected) => {
      clearInterval(looks);
      body.onTooLarge = null;
      resolve(collected);
    };
    const looks = setInterval(() => {
      if (x.done) return clearInterval(looks);
      quiet = body.received > seen ? 0 : quiet + 1;
      seen = body.received;
      if (quiet >= MOST_QUIET_LOOKS) end('stalled');
    }, LOOK_EVERY_MS);
    body.limit = most;
    body.onTooLarge = () => end('too large');
    body.collect(() => {
      body.limit = limit;
      end('whole');
    });
  });
}
