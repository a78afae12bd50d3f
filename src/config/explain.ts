import { z } from 'zod';
import { didYouMean } from './did-you-mean.js';
import { type Complaint, type Path, valueAt } from './mistakes.js';
import { newName } from './renamed.js';
import { isSecret } from './secrets.js';

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/**
 * Says what a schema expected, for issues whose schema does not say so itself. Given to `safeParse` as `error`, so that the
 * message of an issue is always the phrase behind "expected".
 */
export function expectation(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return phraseOf(issue.inst, String(issue.expected));
    case 'invalid_value':
      return listed(issue.values.map(String));
    case 'unrecognized_keys':
      return listed(keysOf(issue.inst));
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    default:
      return undefined;
  }
}

/** Turns an issue of zod into sentences for the user. `root` is the value that was checked. */
export function explain(issue: Issue, root: unknown, prefix: Path = []): Complaint[] {
  const path = [...prefix, ...issue.path];
  const value = valueAt(root, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => explainUnknownKey([...path, key], key, issue.message));
    case 'invalid_union': {
      const branch = issue.errors.find((issues) => !issues.every(isOfAnotherKind));
      if (branch !== undefined) return branch.flatMap((inner) => explain(inner, root, path));
      return [misfit(issue, value, path, issue.errors.flat().flatMap(allowedTexts))];
    }
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues
        .flatMap((inner) => explain(inner, String(path.at(-1))))
        .map((inner) => ({ ...inner, path, at: 'key' }));
    case 'custom': {
      const details = (issue.params ?? {}) as Pick<Complaint, 'expected' | 'suggestion' | 'at'>;
      return [{ ...details, path, message: issue.message }];
    }
    default:
      return [misfit(issue, value, path, allowedTexts(issue))];
  }
}

function explainUnknownKey(path: Path, key: string, allowed: string): Complaint {
  const renamed = newName(path);
  if (renamed !== undefined) return { path, at: 'key', message: `was renamed to ${renamed}` };
  const suggestion = didYouMean(key, allowed.split(', '));
  return { path, at: 'key', message: `unknown option "${key}"`, expected: `one of ${allowed}`, suggestion };
}

function misfit(
  { message: expected }: Issue,
  value: unknown,
  path: Path,
  allowed: readonly string[],
): Complaint {
  let suggestion: string | undefined;
  if (typeof value === 'string') suggestion = didYouMean(value, allowed);
  else if (typeof value !== 'object' && value !== undefined && expected.includes('a text'))
    suggestion = `"${value}"`;
  return { path, message: whatItIs(value, path), expected, suggestion };
}

/** Whether the value is not even of the type that a branch of a union takes, so that the branch has nothing to say about it. */
function isOfAnotherKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((issues) => issues.every(isOfAnotherKind));
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function allowedTexts(issue: Issue): string[] {
  return issue.code === 'invalid_value' ? issue.values.filter((value) => typeof value === 'string') : [];
}

function whatItIs(value: unknown, path: Path): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  if (Array.isArray(value)) return value.length === 0 ? 'is an empty list' : 'is a list';
  if (typeof value === 'object') return 'is a mapping';
  if (isSecret(path)) return 'is not allowed here';
  const written = JSON.stringify(value);
  return `${written.length > 60 ? `${written.slice(0, 57)}…` : written} is not allowed here`;
}

function phraseOf(schema: unknown, type: string): string {
  const keys = keysOf(schema);
  if (keys.length > 0) return `a mapping with ${keys.join(', ')}`;
  const phrases: Record<string, string> = {
    object: 'a mapping',
    record: 'a mapping',
    array: 'a list',
    string: 'a text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
  };
  return phrases[type] ?? type;
}

function keysOf(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function listed(values: readonly string[]): string {
  return values.join(', ');
}
