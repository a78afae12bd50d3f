/** The data of a message: JSON on one line, because streams of events are made of lines. */

/** null: the text is not JSON. */
export function jsonLine(text: string): string | null {
  try {
    const value = JSON.parse(text);
    return /[\r\n]/.test(text) ? JSON.stringify(value) : text;
  } catch {
    return null;
  }
}
