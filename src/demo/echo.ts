/** A demo service: answers with what has arrived, so that one sees what the gateway sends on. */
import { createServer, type Server } from 'node:http';

/** Bodies are shown up to here. */
const SHOWN_BODY_CHARACTERS = 4_096;

export function echoService(): Server {
  return createServer((request, response) => {
    let body = '';
    let bodyBytes = 0;
    request.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length;
      if (body.length < SHOWN_BODY_CHARACTERS) body += chunk.toString('latin1');
    });
    request.on('end', () => {
      const seen = {
        method: request.method,
        path: request.url,
        headers: request.headers,
        bodyBytes,
        body: body.slice(0, SHOWN_BODY_CHARACTERS),
      };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(seen, null, 2)}\n`);
    });
  });
}
