/** Whether an instance takes requests. */
import { connect } from 'node:net';

const ANSWER_WITHIN_MS = 1000;

export type Ready = () => Promise<boolean>;

/** It accepts connections. */
export function portAnswers(origin: string): Ready {
  const { hostname, port, protocol } = new URL(origin);
  const address = {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  };
  return () =>
    new Promise((resolve) => {
      const socket = connect({ ...address, timeout: ANSWER_WITHIN_MS });
      const end = (ready: boolean) => {
        socket.destroy();
        resolve(ready);
      };
      socket.once('connect', () => end(true));
      socket.once('error', () => end(false));
      socket.once('timeout', () => end(false));
    });
}

/** It answers GET on a path with a status of success. */
export function healthAnswers(origin: string, path: string): Ready {
  return async () => {
    try {
      const answer = await fetch(new URL(path, origin), {
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        redirect: 'manual',
      });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  };
}
