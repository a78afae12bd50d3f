import type { IncomingMessage } from 'node:http';
import { problem, type Reply } from './endpoint.js';

const MOST_BYTES = 64 * 1024;

/** Either member. `value` undefined: there is no body. */
export type Body = { readonly value: unknown } | { readonly refusal: Reply };

/** Reads a JSON body. What is refused is not read to its end: the connection closes with the answer. */
export async function readBody(request: IncomingMessage, mostBytes = MOST_BYTES): Promise<Body> {
  const bytes = await collect(request, mostBytes);
  if (bytes === null) {
    const refusal = problem(413, 'Body too large', `at most ${mostBytes / 1024} KiB`);
    return { refusal: { ...refusal, headers: { connection: 'close' } } };
  }
  if (bytes.length === 0) return { value: undefined };
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(request.headers['content-type'] ?? '')) {
    return {
      refusal: problem(415, 'Unsupported media type', 'send the body as "Content-Type: application/json"'),
    };
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { value: JSON.parse(text) };
  } catch {
    // The parser's message would repeat parts of the body.
    return { refusal: problem(400, 'Bad request', 'the body is not valid JSON in UTF-8') };
  }
}

/** null: too many bytes. A client that leaves in the middle gets an answer that nobody reads. */
async function collect(request: IncomingMessage, mostBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > mostBytes) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks);
}
