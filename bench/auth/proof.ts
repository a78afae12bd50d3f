/** A guard shows that it lets in whom it should, and nobody else, before it is measured. */
import assert from 'node:assert/strict';
import { BODIES, SMALL_GET } from '../workloads.ts';
import { badTokens, mint, type SigningKey } from './tokens.ts';

async function ask(url: string, token: string | null): Promise<{ status: number; body: string }> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url + SMALL_GET.path, { headers });
  return { status: response.status, body: await response.text() };
}

/** Rejects with what is wrong. */
export async function proveGuard(url: string, key: SigningKey): Promise<void> {
  // Twice, since a verdict may be remembered.
  for (let i = 0; i < 2; i++) {
    for (const n of [0, 1]) {
      const { status, body } = await ask(url, mint(key, n));
      assert.equal(status, 200, 'valid token: status');
      assert.equal(body, BODIES[SMALL_GET.path], 'valid token: body');
    }
    for (const [fault, token] of [['no token', null] as const, ...badTokens(key)]) {
      const { status } = await ask(url, token);
      assert.ok(status === 401 || status === 403, `${fault}: status ${status}`);
    }
  }
}
