/** Something that stands between client and service and can be measured. */
export interface Contender {
  readonly name: string;
  /** Its version, or null when it is not installed here. */
  version(): string | null;
  /** Starts it in front of `origin`; `dir` is a scratch folder of its own. */
  start(origin: string, dir: string): Promise<Standing>;
}

export interface Standing {
  readonly url: string;
  /** The root of its process tree; null when it has none of its own (going direct). */
  readonly pid: number | null;
  /** Whether its code is compiled while it runs, so that it must be warmed up. */
  readonly warmsUp: boolean;
  stop(): Promise<void>;
}
