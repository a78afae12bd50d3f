/** The demo's services in a process of their own: the gateway's primary never touches traffic. Sends its parent their URLs. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { echoService } from './echo.js';
import { quotesService } from './quotes.js';

export interface DemoUrls {
  readonly quotes: string;
  readonly echo: string;
}

// Ctrl+C reaches the whole group of processes. The gateway still has requests to finish then; when it is gone, so is the channel.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('disconnect', () => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

const servers = [quotesService(), echoService()];
const [quotes, echo] = await Promise.all(servers.map(listen));
process.send?.({ quotes, echo } satisfies DemoUrls);

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}
