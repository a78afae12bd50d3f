/** What is wrong with a condition, and where. */
export interface ExpressionFault {
  readonly message: string;
  /** Of the part that is wrong: UTF-16 units from the start of the text. */
  readonly at: number;
  readonly length: number;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** A part of a text: `at` is its first character, `end` the one behind its last. */
export interface Span {
  readonly at: number;
  readonly end: number;
}

/** Ends the compiling of a condition; `compileExpression` makes data of it. */
export class Faulty extends Error {
  readonly fault: ExpressionFault;

  constructor({ at, end }: Span, message: string, suggestion?: string) {
    super(message);
    this.fault = { message, at, length: end - at, ...(suggestion !== undefined && { suggestion }) };
  }
}
