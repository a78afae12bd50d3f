/** Signals that come before there is a primary to obey them. */
export class EarlySignals {
  /** What the configuration is may have changed since it was read. */
  hungUp = false;
  /** Resolves with the first that says to leave. */
  readonly leave: Promise<NodeJS.Signals>;
  readonly #onLeave: (signal: NodeJS.Signals) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
    this.leave = promise;
    this.#onLeave = resolve;
    process.on('SIGTERM', resolve);
    process.on('SIGINT', resolve);
    process.on('SIGHUP', () => {
      this.hungUp = true;
    });
  }

  /** Somebody else listens. SIGHUP stays harmless to the last. */
  end(): void {
    process.off('SIGTERM', this.#onLeave);
    process.off('SIGINT', this.#onLeave);
  }
}
