/** What is wrong with a condition, and where. */
import { describe, expect, it } from 'vitest';
import { didYouMean } from '../../../../src/config/did-you-mean.ts';
import { compileExpression, isFault } from '../../../../src/services/authz/expression/compile.ts';
import type { ExpressionFault } from '../../../../src/services/authz/expression/fault.ts';
import { expressionNames } from '../../../../src/services/authz/expression/names.ts';

function faultOf(text: string): ExpressionFault {
  const compiled = compileExpression(text, { paramNames: ['id', 'account'], suggest: didYouMean });
  if (!isFault(compiled)) throw new Error(`${text} has no fault`);
  return compiled;
}

/** What the fault points at. */
function part(text: string): string {
  const { at, length } = faultOf(text);
  return text.slice(at, at + length);
}

describe('an unknown name', () => {
  it.each([
    ['clam.sub == param.id', 'clam.sub', 'claim.sub'],
    ["claims['a b'].c == 'x'", "claims['a b'].c", "claim['a b'].c"],
    ['roles == user', 'roles', 'role'],
    ['clientip == user', 'clientip', 'client.ip'],
    ['client.pi == user', 'client.pi', 'client.ip'],
    ['param.acount == user', 'param.acount', 'param.account'],
    ['role == admin', 'admin', "'admin'"],
    ["startWith(path, '/')", 'startWith', 'startsWith'],
  ])('in %s is %s; meant is %s', (text, wrong, meant) => {
    expect(part(text)).toBe(wrong);
    expect(faultOf(text).suggestion).toBe(meant);
  });

  it('is told without a guess when nobody makes one', () => {
    const fault = compileExpression('clam.sub == user', { paramNames: [] });
    expect(fault).toEqual({ message: 'unknown name "clam.sub"', at: 0, length: 8 });
  });

  it('is none that every object has', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(faultOf(`${name} == user`).message).toBe(`unknown name "${name}"`);
      expect(faultOf(`${name}()`).message).toBe(`unknown function "${name}"`);
    }
  });
});

describe('a fault says what and where', () => {
  it.each([
    ['', 'the condition ends where a condition is expected', ''],
    ['   ', 'the condition ends where a condition is expected', ''],
    ['user ==', 'the condition ends where a value is expected', ''],
    ["user == 'a", "a text begins with ' and has no end", "'a"],
    ["user = 'a'", '"=" has no meaning here', '='],
    ["user == '🙂' && 🙂 == user", '"🙂" has no meaning here', '🙂'],
    ["user == 'a' & true", '"&" has no meaning here', '&'],
    ["user == 'a' and true", '"and" stands where the end, && or || is expected', 'and'],
    ["user == 'a' == true", 'comparisons are joined by && or ||', '=='],
    ['(true', 'the condition ends where ")" is expected', ''],
    ['true)', '")" stands where the end, && or || is expected', ')'],
    ['user in [', 'the condition ends where a value is expected', ''],
    ["user in ['a' 'b']", 'a text stands where "," or "]" is expected', "'b'"],
    ['claim.level > 12a', 'a number is followed by a letter', '12a'],
    ['claim. == user', 'a dot is followed by a name', '.'],
    ['claim == user', '"claim" needs a member: claim.NAME', 'claim'],
    ['claim[sub] == user', `"sub" stands where a text, as in claim['name'] is expected`, 'sub'],
    ['param.other == user', 'the path of this route has no parameter "other"', 'param.other'],
    ['query.a.b == user', 'query.a is a text and has no members', 'query.a.b'],
    ['user.name == path', 'unknown name "user.name"', 'user.name'],
    ['user', 'a text is no condition: compare it, or ask exists() for it', 'user'],
    ["'a'", 'a text is no condition', "'a'"],
    ['5 || true', 'a number is no condition', '5'],
    ['role && true', 'a set is no condition: compare it, or ask exists() for it', 'role'],
    ['now()', 'a number is no condition', 'now()'],
    ['null', 'null is no condition', 'null'],
    ["role == ['a']", 'a list is compared with "in" or contains()', "['a']"],
    ['role == scope', 'two sets are not compared: name the members', 'role == scope'],
    ["'a' in path", '"in" needs a list behind it, or contains() for parts of a text', 'path'],
    ['role < 5', '"<" compares numbers or texts, and this is a set', 'role'],
    ['true < false', '"<" compares numbers or texts, and this is a condition', 'true'],
    ["user in [['a']]", 'a list is no member of a list', "['a']"],
    [
      'startsWith(path)',
      'startsWith() is called with 1 operands: startsWith(text, text)',
      'startsWith(path)',
    ],
    ["startsWith(role, 'a')", 'startsWith(text, text) does not take a set here', 'role'],
    ["inNetwork(client.ip, '10.0.0.0/33')", 'the prefix of "10.0.0.0/33" is not 0 to 32', "'10.0.0.0/33'"],
    ["inNetwork(client.ip, 'home')", '"home" is not a network such as 10.0.0.0/8', "'home'"],
    ['inNetwork(client.ip, claim.net)', 'the network is written out, such as 10.0.0.0/8', 'claim.net'],
    ["user == 'a\\n'", 'a backslash stands before a quote or another backslash', '\\n'],
    ['user == `a`', '"`" has no meaning here', '`'],
    ['user == "a" // b', '"/" has no meaning here', '/'],
  ])('%j: %s', (text, message, wrong) => {
    expect(faultOf(text).message).toBe(message);
    expect(part(text)).toBe(wrong);
  });

  it('suggests what other languages mean', () => {
    expect(faultOf("user = 'a'").suggestion).toBe('==');
    expect(faultOf('true & true').suggestion).toBe('&&');
    expect(faultOf('true and true').suggestion).toBe('&&');
    expect(faultOf('true OR true').suggestion).toBe('||');
    expect(faultOf('not(true)').suggestion).toBe('!');
    expect(faultOf('header.x.y == user').suggestion).toBe("header['x.y']");
  });
});

describe('bounds', () => {
  it('of size', () => {
    const fits = `user == '${'a'.repeat(4086)}'`;
    expect(isFault(compileExpression(fits, { paramNames: [] }))).toBe(false);
    expect(faultOf(`${fits} `).message).toBe('a condition has at most 4096 bytes');
    expect(faultOf(`user == '${'ä'.repeat(2100)}'`).message).toBe('a condition has at most 4096 bytes');
  });

  it('of depth, for everything that nests', () => {
    const nested = (open: string, close: string, levels: number) =>
      `${open.repeat(levels)}true${close.repeat(levels)}`;
    for (const [open, close] of [
      ['(', ')'],
      ['!', ''],
      ['exists(', ')'],
    ]) {
      expect(isFault(compileExpression(nested(open, close, 32), { paramNames: [] }))).toBe(false);
      expect(faultOf(nested(open, close, 33)).message).toBe('a condition has at most 32 levels');
      expect(faultOf(nested(open, close, 500)).message).toBe('a condition has at most 32 levels');
    }
    expect(faultOf(`user in ${nested('[', ']', 33)}`).message).toBe('a condition has at most 32 levels');
  });

  it('are none for how many conditions are joined', () => {
    const long = Array.from({ length: 500 }, () => 'true').join('&&');
    expect(isFault(compileExpression(long, { paramNames: [] }))).toBe(false);
  });
});

it('nothing makes compiling throw', () => {
  const words = [
    'user',
    'claim',
    '.a',
    "['b']",
    '==',
    'in',
    '(',
    ')',
    '[',
    ']',
    '!',
    '&&',
    '||',
    "'t",
    "'t'",
    '5',
    '-',
    ',',
    'now',
    '\\',
    '"',
    '\u0000',
    '🙂',
  ];
  let seed = 7;
  const next = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed;
  };
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: next() % 9 }, () => words[next() % words.length]).join(
      next() % 2 === 0 ? ' ' : '',
    );
    const compiled = compileExpression(text, { paramNames: [] });
    if (!isFault(compiled)) continue;
    expect(compiled.at).toBeGreaterThanOrEqual(0);
    expect(compiled.at + compiled.length).toBeLessThanOrEqual(text.length);
  }
});

it('all names are listed', () => {
  expect(expressionNames).toEqual(
    'claim.NAME param.NAME query.NAME header.NAME method path host client.ip user consumer plan role scope auth.method auth.provider route'.split(
      ' ',
    ),
  );
});
