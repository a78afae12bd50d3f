/** Runs something after so many milliseconds; a second call replaces the first. */
export type SetTimer = (run: () => void, ms: number) => void;

/** Less than a millisecond is what the event loop's timers cannot do: then after what it has at hand. */
export function oneTimer(): SetTimer {
  let timer: NodeJS.Timeout | undefined;
  let next: NodeJS.Immediate | undefined;
  return (run, ms) => {
    clearTimeout(timer);
    clearImmediate(next);
    if (ms < 0.5) next = setImmediate(run);
    else timer = setTimeout(run, Math.ceil(ms));
  };
}
