/** What this machine has of the records in Redis. Several processes may bring it up to date at the same time. */
import type { Environment, RecordKey } from './environment.js';
import type { Entry, Position } from './redis-records.js';

const NOWHERE: Position = { run: '', epoch: '', n: 0 };

export class LocalCopy {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** An empty epoch: these records have never been in Redis. */
  position(): Position {
    return (this.#environment.meta.get('redis') as Position | undefined) ?? NOWHERE;
  }

  /** False: changes are missing between what is here and these. Those that are here already are left out. */
  apply(entries: readonly Entry[], epoch: string): boolean {
    const environment = this.#environment;
    return environment.transaction(() => {
      const position = this.position();
      if (position.epoch !== epoch) return false;
      let { n } = position;
      for (const entry of entries) {
        if (entry.n <= n) continue;
        if (entry.n !== n + 1) return false;
        n = entry.n;
        // A removal of what is not here is none.
        environment.write(entry.key, entry.text, entry.quiet);
      }
      environment.meta.putSync('redis', { ...position, n });
      return true;
    });
  }

  /** Makes this the truth here, which stood at `position` when it was read. Gives back how many records went. */
  replace(truth: ReadonlyMap<RecordKey, string>, position: Position): number {
    const environment = this.#environment;
    return environment.transaction(() => {
      const here = this.position();
      const done = here.run === position.run && here.epoch === position.epoch && here.n > position.n;
      if (done) return 0; // by another process, and later
      const surplus = [...environment.records.getKeys()].filter((key) => !truth.has(key));
      for (const key of surplus) environment.write(key, undefined, false);
      for (const [key, text] of truth) {
        if (environment.records.get(key) !== text) environment.write(key, text, false);
      }
      environment.meta.putSync('redis', position);
      return surplus.length;
    });
  }

  all(): Map<RecordKey, string> {
    const found = new Map<RecordKey, string>();
    for (const { key, value } of this.#environment.records.getRange()) found.set(key, value);
    return found;
  }
}
