/** Starts contenders and has each prove itself before it is measured. */
import type { Contender, Standing } from '../contenders/contender.ts';
import { workspace } from '../proc.ts';
import { prove } from '../proof.ts';
import { proveGuard } from './proof.ts';
import type { SigningKey } from './tokens.ts';

/**
 * Proves a guard by the tokens of its key, a plain proxy (null) as in the comparison. Null when it is not installed,
 * rejects when it is wrong.
 */
export async function stand(
  contender: Contender,
  key: SigningKey | null,
  origin: string,
): Promise<(Standing & { pid: number }) | null> {
  if (contender.version() === null) return null;
  const standing = await contender.start(origin, workspace());
  const { pid } = standing;
  if (pid === null) throw new Error(`${contender.name} has no process that could be measured`);
  await (key === null ? prove(standing.url) : proveGuard(standing.url, key)).catch((error) => {
    throw new Error(`${contender.name} is not right: ${error.message}`, { cause: error });
  });
  console.log(`${contender.name}: ${key === null ? 'proxies correctly' : 'lets in whom it should'}`);
  return { ...standing, pid };
}
