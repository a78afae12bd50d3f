/** IP addresses as bits, read from their text without allocating. */

const COLON = 58;
const DOT = 46;
const PERCENT = 37;

export class AddressBits {
  /** IPv4: the first word. IPv6: four words, the first bits first. */
  readonly words = new Int32Array(4);
  readonly #groups = new Int32Array(8);
  /** The IPv4 address in `words`; a request may ask for its own with each of its limits. */
  #four: string | null = null;

  /** 4 or 6; 0 when the text is no address. IPv4 mapped into IPv6 is 4. A zone (`%eth0`) is passed over. */
  read(text: string): 0 | 4 | 6 {
    if (text === this.#four) return 4;
    this.#four = null;
    if (text.indexOf(':') < 0) {
      if (!this.#readFour(text, 0, text.length)) return 0;
      this.#four = text;
      return 4;
    }
    const zone = text.indexOf('%');
    if (!this.#readSix(text, zone < 0 ? text.length : zone)) return 0;
    const { words } = this;
    for (let i = 0; i < 4; i++) {
      words[i] = ((this.#groups[2 * i] as number) << 16) | (this.#groups[2 * i + 1] as number);
    }
    if (words[0] !== 0 || words[1] !== 0 || words[2] !== 0xffff) return 6;
    words[0] = words[3] as number;
    return 4;
  }

  /** Sets all bits of an IPv6 address after the first `prefix` to zero. */
  cut(prefix: number): void {
    for (let i = 0; i < 4; i++) {
      const kept = prefix - 32 * i;
      if (kept <= 0) this.words[i] = 0;
      else if (kept < 32) (this.words[i] as number) &= -1 << (32 - kept);
    }
  }

  #readFour(text: string, start: number, end: number): boolean {
    let word = 0;
    let part = -1;
    let dots = 0;
    for (let i = start; i < end; i++) {
      const c = text.charCodeAt(i);
      if (c === DOT) {
        if (part < 0 || ++dots > 3) return false;
        word = (word << 8) | part;
        part = -1;
      } else {
        if (c < 48 || c > 57) return false;
        part = (part < 0 ? 0 : part) * 10 + c - 48;
        if (part > 255) return false;
      }
    }
    if (part < 0 || dots !== 3) return false;
    this.words[0] = (word << 8) | part;
    return true;
  }

  #readSix(text: string, end: number): boolean {
    const groups = this.#groups.fill(0);
    let count = 0;
    let gap = -1;
    let i = 0;
    if (text.charCodeAt(0) === COLON) {
      if (text.charCodeAt(1) !== COLON) return false;
      gap = 0;
      i = 2;
    }
    while (i < end) {
      if (count === 8) return false;
      const start = i;
      let value = 0;
      let c = text.charCodeAt(i);
      while (i < end && c !== COLON && c !== DOT && c !== PERCENT) {
        const digit = hexDigit(c);
        if (digit < 0 || i - start === 4) return false;
        value = (value << 4) | digit;
        c = text.charCodeAt(++i);
      }
      if (i < end && c === DOT) {
        if (count > 6 || !this.#readFour(text, start, end)) return false;
        groups[count++] = (this.words[0] as number) >>> 16;
        groups[count++] = (this.words[0] as number) & 0xffff;
        i = end;
        break;
      }
      if (i === start) return false;
      groups[count++] = value;
      if (i >= end) break;
      i++; // the colon
      if (i >= end) return false;
      if (text.charCodeAt(i) === COLON) {
        if (gap >= 0) return false;
        gap = count;
        i++;
      }
    }
    if (gap < 0) return count === 8;
    if (count === 8) return false;
    groups.copyWithin(8 - (count - gap), gap, count);
    groups.fill(0, gap, 8 - (count - gap));
    return true;
  }
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
