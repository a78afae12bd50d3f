/**
 * Most of the subscribers, in a process of their own that can be stopped while others are timed: what reaches them waits in
 * the kernel until they go on, as if they were on other machines. Arguments: url, path, channel. Messages in: how many more
 * to gather. Messages out: how many there are, and each offset that all of them have got, with how many got it not once.
 */
import { Crowd } from './crowd.ts';

const [url, path, channel] = process.argv.slice(2);
const crowd = new Crowd();
let members = 0;
/** By offset, then by member. */
const counts = new Map<number, Uint8Array>();
const arrived = new Map<number, number>();

process.on('message', async (more: number) => {
  const first = members;
  members += more;
  await crowd.gather(url, path, channel, more, {
    onMessage: (member, offset) => take(first + member, offset),
  });
  process.send?.({ members, failed: crowd.failed });
});
process.once('disconnect', () => process.exit());

function take(member: number, offset: number): void {
  let got = counts.get(offset);
  if (got === undefined) {
    got = new Uint8Array(members);
    counts.set(offset, got);
  }
  got[member]++;
  const sum = (arrived.get(offset) ?? 0) + 1;
  arrived.set(offset, sum);
  if (sum < members) return;
  process.send?.({ offset, wrong: got.reduce((wrong, count) => wrong + (count === 1 ? 0 : 1), 0) });
}
