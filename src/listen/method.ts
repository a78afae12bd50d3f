/** RFC 9110 §5.6.2: what methods and names of fields are made of, and of subprotocols and cookies. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LOWER_CASE = /[a-z]/;
/** RFC 9110 §9.3, RFC 5789. */
const STANDARD_METHOD = /^(?:get|head|post|put|patch|delete|options|trace|connect)$/i;

/**
 * Methods are case-sensitive (RFC 9110 §9.1), but many services put them into capitals: where callers are asked who they are,
 * `delete` would reach such a service past what is demanded for DELETE.
 */
export function isPlainMethod(method: string, named: ReadonlySet<string> | null): boolean {
  if (!TOKEN.test(method)) return false;
  return (
    named === null ||
    !LOWER_CASE.test(method) ||
    !(STANDARD_METHOD.test(method) || named.has(method.toUpperCase()))
  );
}
