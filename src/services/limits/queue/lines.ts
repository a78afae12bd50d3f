/** The lines of a worker, by the hash of their bucket. */
import type { Line } from './line.js';

export class Lines {
  /** By the first half of the hash. */
  readonly #lines = new Map<number, Line>();
  size = 0;

  get(h1: number, h2: number): Line | null {
    for (let line = this.#lines.get(h1) ?? null; line !== null; line = line.next) {
      if (line.h2 === h2) return line;
    }
    return null;
  }

  add(line: Line): void {
    line.next = this.#lines.get(line.h1) ?? null;
    this.#lines.set(line.h1, line);
    this.size++;
  }

  delete(line: Line): void {
    let before: Line | null = null;
    let here = this.#lines.get(line.h1) ?? null;
    while (here !== null && here !== line) {
      before = here;
      here = here.next;
    }
    if (here === null) return;
    this.size--;
    if (before !== null) before.next = line.next;
    else if (line.next !== null) this.#lines.set(line.h1, line.next);
    else this.#lines.delete(line.h1);
  }
}
