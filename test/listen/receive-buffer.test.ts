import { readdirSync } from 'node:fs';
import koffi from 'koffi';
import { expect, it } from 'vitest';
import { withBoundedReceiveBuffer } from '../../src/listen/addon/receive-buffer.ts';
import { loadUws } from '../../src/listen/addon/uws.ts';

const getsockopt = koffi.load(null).func('int getsockopt(int, int, int, _Out_ int *, _Inout_ uint32_t *)');

/** SO_RCVBUF of every socket this process has. */
function receiveBuffers(): number[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    const size = [0];
    return getsockopt(Number(descriptor), 1, 8, size, [4]) === 0 ? size : [];
  });
}

/** TCP_NOTSENT_LOWAT of every connection and listener this process has. */
function unsentBounds(): number[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    const size = [0];
    return getsockopt(Number(descriptor), 6, 25, size, [4]) === 0 ? size : [];
  });
}

it('bounds what waits to be sent where that is asked for', () => {
  const app = loadUws(16_384).App();
  withBoundedReceiveBuffer(() => app.listen('127.0.0.1', 0, () => {}), false);
  expect(unsentBounds()).not.toContain(128 * 1024);
  withBoundedReceiveBuffer(() => app.listen('127.0.0.1', 0, () => {}), true);
  expect(unsentBounds()).toContain(128 * 1024);
  app.close();
});

it('bounds the socket that is opened meanwhile, and gives back what opening gave', () => {
  const uws = loadUws(16_384);
  const app = uws.App();
  const twice = 2 * 208 * 1024; // the kernel doubles what it is asked for
  expect(receiveBuffers()).not.toContain(twice);
  const { opened, descriptors } = withBoundedReceiveBuffer(() => app.listen('127.0.0.1', 0, () => {}));
  expect(opened).toBe(app);
  expect(descriptors).toHaveLength(1);
  expect(receiveBuffers()).toContain(twice);
  app.close();
});
