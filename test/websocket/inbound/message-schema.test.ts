import { describe, expect, it } from 'vitest';
import type { MessageSchemaConfig } from '../../../src/config/schema/socket/message-schema.ts';
import { compileMessageSchema, schemaFault } from '../../../src/websocket/inbound/message-schema.ts';

function judgeOf(options: Partial<MessageSchemaConfig>) {
  const judge = compileMessageSchema(options as MessageSchemaConfig);
  return (message: string | Uint8Array) =>
    judge(Uint8Array.from(typeof message === 'string' ? Buffer.from(message) : message).buffer);
}

describe('opcodes', () => {
  it('are the first byte', () => {
    const judge = judgeOf({ opcodes: [1, 7] });
    expect(judge(new Uint8Array([1, 2]))).toBeNull();
    expect(judge(new Uint8Array([7]))).toBeNull();
    expect(judge(new Uint8Array([2, 1]))).toBe('messages do not begin with 2');
    expect(judge(new Uint8Array([]))).toBe('the message is empty');
  });
});

describe('a JSON Schema', () => {
  const judge = judgeOf({
    json: {
      type: 'object',
      required: ['op'],
      properties: {
        op: { enum: ['move', 'say'] },
        x: { type: 'number' },
        text: { type: 'string', pattern: '^[a-z ]+$' },
      },
      additionalProperties: false,
    },
  });

  it.each([
    ['{"op":"move","x":1}', null],
    ['{"op":"say","text":"hello you"}', null],
    ['{"op":"fly"}', '/op must be equal to one of the allowed values'],
    ['{"x":1}', "must have required property 'op'"],
    ['{"op":"move","x":"1"}', '/x must be number'],
    ['{"op":"say","text":"HELLO"}', '/text must match pattern "^[a-z ]+$"'],
    ['{"op":"move","y":1}', 'must NOT have additional properties'],
    ['[]', 'must be object'],
    ['{"op":', 'this is no JSON'],
    ['', 'this is no JSON'],
  ])('%s', (message, fault) => {
    expect(judge(message)).toBe(fault);
  });

  it('names the place, but not all of a long name', () => {
    const strict = judgeOf({ json: { additionalProperties: { type: 'number' } } });
    expect(strict(JSON.stringify({ ['x'.repeat(10_000)]: 'y' }))).toBe(`/${'x'.repeat(199)} must be number`);
  });

  it('judges binary messages as well, which must be UTF-8', () => {
    expect(judge(new Uint8Array([0x22, 0xff, 0x22]))).toBe('this is no JSON');
  });

  it('matches patterns in linear time', () => {
    const slow = judgeOf({ json: { type: 'string', pattern: '^(a+)+$' } });
    const startedAt = performance.now();
    expect(slow(`"${'a'.repeat(5_000)}!"`)).not.toBeNull();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('that names itself does not end the worker, however deep a message is', () => {
    const deep = judgeOf({ json: { type: 'array', items: { $ref: '#' } } });
    expect(deep('[[[]]]')).toBeNull();
    expect(deep('['.repeat(200_000) + ']'.repeat(200_000))).not.toBeNull();
    expect(deep('[[]]')).toBeNull();
  });

  it.each([
    'http://json-schema.org/draft-07/schema#',
    'https://json-schema.org/draft/2019-09/schema',
    'https://json-schema.org/draft/2020-12/schema',
  ])('may be of draft %s', ($schema) => {
    const judge = judgeOf({ json: { $schema, type: 'object', properties: { a: { const: 1 } } } });
    expect([judge('{"a":1}'), judge('{"a":2}')]).toEqual([null, '/a must be equal to constant']);
  });
});

describe('what is wrong with a schema', () => {
  it.each<[string, Record<string, unknown>, string[], RegExp]>([
    [
      'a keyword of another kind',
      { properties: { a: { type: 'text' } } },
      ['properties', 'a', 'type'],
      /allowed values/,
    ],
    ['a keyword that is none', { propertys: {} }, [], /unknown keyword: "propertys"/],
    [
      'a format, which would not be checked',
      { type: 'string', format: 'email' },
      [],
      /unknown format "email"/,
    ],
    ['a pattern that is no RE2', { type: 'string', pattern: '(?=a)' }, [], /invalid or unsupported|\(\?=/],
    ['a reference to nowhere', { $ref: '#/definitions/none' }, [], /can't resolve reference/],
    ['one that answers later', { $async: true, type: 'object' }, ['$async'], /at once/],
    [
      'unbounded comparisons',
      { properties: { l: { type: 'array', uniqueItems: true } } },
      ['properties', 'l', 'uniqueItems'],
      /maxItems/,
    ],
    ['another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, [], /no schema with key/],
  ])('%s', (_name, schema, path, message) => {
    expect(schemaFault(schema)).toEqual({ path, message: expect.stringMatching(message) });
  });

  it('is nothing where its properties have such names', () => {
    const properties = {
      $async: { type: 'string' },
      uniqueItems: { type: 'boolean' },
      l: { type: 'array', uniqueItems: true, maxItems: 10 },
    };
    expect(schemaFault({ type: 'object', properties })).toBeNull();
  });
});
