/**
 * Clients that keep a gateway busy over connections they never close themselves, and count what goes wrong.
 *
 *   const load = startLoad(gateway.url, { connections: 64, path: '/quotes' });
 *   …
 *   const { answered, failed, closed } = await load.stop();
 */
import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';

export interface LoadResult {
  /** Exchanges that ended with the expected status. */
  answered: number;
  /** Exchanges that ended in any other way, and why. */
  failed: string[];
  /** Connections that the gateway closed. */
  closed: number;
  /** Connections opened. */
  opened: number;
}

export interface Load {
  /** So far. */
  readonly result: Readonly<LoadResult>;
  /** Lets each client finish its exchange, then closes. */
  stop(): Promise<LoadResult>;
}

export interface LoadOptions {
  connections: number;
  path: string;
  status?: number;
}

export function startLoad(url: string, { connections, path, status = 200 }: LoadOptions): Load {
  const result: LoadResult = { answered: 0, failed: [], closed: 0, opened: 0 };
  let stopping = false;

  async function client(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const seen = new WeakSet<Socket>();
    while (!stopping) {
      const outcome = await exchange(new URL(path, url), agent, (socket) => {
        if (seen.has(socket)) return;
        seen.add(socket);
        result.opened++;
        socket.once('close', () => {
          if (!stopping) result.closed++;
        });
      });
      if (outcome === status) result.answered++;
      else result.failed.push(String(outcome));
    }
    agent.destroy();
  }

  const clients = Array.from({ length: connections }, client);
  return {
    result,
    async stop() {
      stopping = true;
      await Promise.all(clients);
      return result;
    },
  };
}

/** Resolves with the status, or with the error's message. */
function exchange(url: URL, agent: Agent, onSocket: (socket: Socket) => void): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = request(url, { agent }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.complete ? (answer.statusCode ?? 0) : 'cut'));
      answer.once('error', (error) => resolve(error.message));
    });
    sent.once('socket', onSocket);
    sent.once('error', (error) => resolve(error.message));
    sent.end();
  });
}
