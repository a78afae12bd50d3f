import type { Complaint, Path } from '../mistakes.js';

/** Where the checks put what they find. */
export interface Report {
  mistake(complaint: Complaint): void;
  /** The configuration works, but probably not as meant. */
  warning(complaint: Complaint): void;
  /** The first of these paths that the file has; else the last. Shorthands leave steps out. */
  written(...paths: Path[]): Path;
  /** The line on which a value is written, to name it in a message about another. */
  lineOf(path: Path): number;
}
