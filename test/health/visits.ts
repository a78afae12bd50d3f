/** Visits to a gateway, each over a connection of its own, so that they meet all workers. */
import { request } from 'node:http';

export interface Visit {
  status: number;
  /** Of a problem; else the body. */
  said: string;
  retryAfter: number;
  ms: number;
  /** `performance.now()` at its end. */
  at: number;
}

export function visit(url: string, path = '/'): Promise<Visit> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      answer.once('error', reject);
      answer.once('end', () => {
        const at = performance.now();
        const isProblem = answer.headers['content-type']?.includes('problem');
        resolve({
          status: answer.statusCode ?? 0,
          said: isProblem ? JSON.parse(body).code : body,
          retryAfter: Number(answer.headers['retry-after'] ?? 0),
          ms: at - begun,
          at,
        });
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** One after the other. */
export async function visits(url: string, count: number, path = '/'): Promise<Visit[]> {
  const all: Visit[] = [];
  for (let i = 0; i < count; i++) all.push(await visit(url, path));
  return all;
}

/** All at once. */
export async function crowd(url: string, count: number, path = '/'): Promise<Visit[]> {
  return await Promise.all(Array.from({ length: count }, () => visit(url, path)));
}

export const statuses = (all: readonly Visit[]) => all.map(({ status }) => status);
