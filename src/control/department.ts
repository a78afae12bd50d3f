/** A part of the control plane: what the primary tells each of them. */
import type { WorkerReport } from '../bus/report.js';
import type { Config } from '../config/schema.js';

export interface Department {
  /** Before workers get a configuration: what they will ask for is there. Rejects with an Error for people. */
  follow?(config: Config): Promise<void>;
  /** A configuration is in force. */
  adopted?(config: Config): void;
  /** A worker has died, and is about to be replaced. */
  workerGone?(id: number): void;
  reported?(report: WorkerReport): void;
  /** The gateway leaves. */
  close(): void | Promise<void>;
}
