/** Why something about keys and consumers cannot be done: for the one who asked. */
export class RecordFault extends Error {
  /** `missing`: there is no such record. `conflict`: not in the state it is in. `invalid`: what was asked for makes no sense. */
  readonly kind: 'missing' | 'conflict' | 'invalid';

  constructor(kind: RecordFault['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}
