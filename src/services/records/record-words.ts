/** The small words in records: plans, roles, scopes. */

/** No spaces or commas: services get roles and scopes as lists in one header. RFC 6749 §3.3 without the comma. */
const WORD = /^[!#-+\--[\]-~]{1,200}$/;

/** What is wrong with a plan, roles or scopes, for people; null when nothing is. */
export function wordsFault(
  words: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | null {
  for (const [member, given] of Object.entries(words)) {
    for (const word of given === undefined ? [] : [given].flat()) {
      if (!WORD.test(word)) return `${member}: "${word}" is not a word without spaces, commas and quotes`;
    }
  }
  return null;
}
