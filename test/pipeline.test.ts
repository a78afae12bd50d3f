import { describe, expect, it } from 'vitest';
import { Exchange } from '../src/exchange.ts';
import { ANSWERED, CONTINUE, compile, type Stage, type Stages, type Verdict } from '../src/pipeline.ts';

const x = () => new Exchange(0);

/** Stages that note their name in `calls` when they run. */
function noting(calls: string[], verdicts: Record<string, Verdict | Promise<Verdict>>): Stages[] {
  return Object.entries(verdicts).map(([name, verdict]) => ({
    onRequest: () => {
      calls.push(name);
      return verdict;
    },
  }));
}

describe('a compiled pipeline', () => {
  it('has null for each hook that nobody uses', () => {
    expect(compile([])).toEqual({
      onRequest: null,
      onForward: null,
      onResponse: null,
      onDone: null,
      review: null,
    });
    expect(compile([{ onDone: () => {} }])).toMatchObject({
      onRequest: null,
      onForward: null,
      onResponse: null,
    });
  });

  it('takes a single stage as it is', () => {
    const onRequest: Stage = () => CONTINUE;
    const onForward = () => {};
    const pipeline = compile([{ onRequest }, { onForward }]);
    expect(pipeline.onRequest).toBe(onRequest);
    expect(pipeline.onForward).toBe(onForward);
  });

  it('runs the stages in order, without a promise as long as none waits', () => {
    const calls: string[] = [];
    const { onRequest } = compile(noting(calls, { a: CONTINUE, b: CONTINUE, c: CONTINUE }));
    expect(onRequest?.(x())).toBe(CONTINUE);
    expect(calls).toEqual(['a', 'b', 'c']);
  });

  it('stops at the stage that answers', () => {
    const calls: string[] = [];
    const { onRequest } = compile(noting(calls, { a: CONTINUE, b: ANSWERED, c: CONTINUE }));
    expect(onRequest?.(x())).toBe(ANSWERED);
    expect(calls).toEqual(['a', 'b']);
  });

  it('goes on behind a stage that waits', async () => {
    const calls: string[] = [];
    const { onRequest } = compile(
      noting(calls, {
        a: CONTINUE,
        b: Promise.resolve(CONTINUE),
        c: CONTINUE,
        d: Promise.resolve(CONTINUE),
        e: CONTINUE,
      }),
    );
    const verdict = onRequest?.(x());
    expect(verdict).toBeInstanceOf(Promise);
    expect(calls).toEqual(['a', 'b']);
    expect(await verdict).toBe(CONTINUE);
    expect(calls).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('stops at a stage that waits and then answers', async () => {
    const calls: string[] = [];
    const { onRequest } = compile(noting(calls, { a: Promise.resolve(ANSWERED), b: CONTINUE }));
    expect(await onRequest?.(x())).toBe(ANSWERED);
    expect(calls).toEqual(['a']);
  });

  it('runs no further stage when the exchange ended while one waited', async () => {
    const calls: string[] = [];
    const { onRequest } = compile(noting(calls, { a: Promise.resolve(CONTINUE), b: CONTINUE }));
    const gone = x();
    const verdict = onRequest?.(gone);
    gone.done = true;
    expect(await verdict).toBe(ANSWERED);
    expect(calls).toEqual(['a']);
  });

  it('passes on what a waiting stage throws', async () => {
    const { onRequest } = compile(noting([], { a: Promise.reject(new Error('no')), b: CONTINUE }));
    await expect(onRequest?.(x())).rejects.toThrow('no');
  });

  it('runs all steps of the later hooks in order', () => {
    const calls: string[] = [];
    const stages = ['a', 'b', 'c'].map((name): Stages => {
      const note = (hook: string) => () => void calls.push(`${hook} ${name}`);
      return { onForward: note('forward'), onResponse: note('response'), onDone: note('done') };
    });
    const { onForward, onResponse, onDone } = compile(stages);
    for (const hook of [onForward, onResponse, onDone]) hook?.(x());
    expect(calls).toEqual(
      ['forward', 'response', 'done'].flatMap((hook) => ['a', 'b', 'c'].map((n) => `${hook} ${n}`)),
    );
  });
});
