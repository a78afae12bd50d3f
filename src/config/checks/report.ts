import type { Complaint, Path } from '../mistakes.js';

/** Where the checks put what they find. */
export interface Report {
  mistake(complaint: Complaint): void;
  /** The configuration works, but probably not as meant. */
  warning(complaint: Complaint): void;
  /** The line on which a value is written, to name it in a message about another. */
  lineOf(path: Path): number;
}
