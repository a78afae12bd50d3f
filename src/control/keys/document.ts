/** Small JSON documents from servers that may be slow, gone, or send anything at all. */

/** Nothing that is fetched here is anywhere near as large. */
const MAX_BYTES = 1_048_576;

export interface Document {
  readonly content: unknown;
  readonly headers: Headers;
}

/** Rejects with an Error for people, whose text holds nothing of the address and nothing of the answer. */
export async function fetchDocument(url: string, signal: AbortSignal): Promise<Document> {
  // A redirect would lead to an address that nobody has configured.
  const response = await fetch(url, {
    redirect: 'manual',
    signal,
    headers: { accept: 'application/json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the answer has status ${response.status}`);
  }
  const bytes = await readBounded(response);
  try {
    return { content: JSON.parse(bytes.toString('utf8')), headers: response.headers };
  } catch {
    throw new Error('the answer is not JSON');
  }
}

/** The whole body. Rejects when it is larger than anything that is fetched here. */
export async function readBounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (response.body === null) return Buffer.alloc(0);
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error('the answer is larger than 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Why there is no answer, in a few words. */
export function whyFailed(error: unknown): string {
  if (!(error instanceof Error)) return 'the request failed';
  if (error.name === 'TimeoutError') return 'no answer in time';
  if (error.name === 'AbortError') return 'the gateway gave up';
  const { cause } = error;
  if (error instanceof TypeError && cause instanceof Error) {
    return 'code' in cause ? `no connection: ${String(cause.code)}` : `no connection: ${cause.message}`;
  }
  return error.message;
}
