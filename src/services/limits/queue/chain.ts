/**
 * A row whose members know who is before and behind them: first, last and leaving cost the same however long it is. In a Set that
 * others have left, the first is found only past their empty places.
 */

/** What can be in one chain at a time. */
export interface Link<T> {
  ahead: T | null;
  behind: T | null;
}

export class Chain<T extends Link<T>> {
  size = 0;
  first: T | null = null;
  last: T | null = null;

  add(item: T): void {
    item.ahead = this.last;
    if (this.last === null) this.first = item;
    else this.last.behind = item;
    this.last = item;
    this.size++;
  }

  /** It must be in this one. */
  remove(item: T): void {
    const { ahead, behind } = item;
    if (ahead === null) this.first = behind;
    else ahead.behind = behind;
    if (behind === null) this.last = ahead;
    else behind.ahead = ahead;
    item.ahead = null;
    item.behind = null;
    this.size--;
  }
}
