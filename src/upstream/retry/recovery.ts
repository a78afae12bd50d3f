/** What has been done about the failed tries of one exchange; made when the first of them fails. */
import { NO_REASON } from './policy.js';

export class Recovery {
  /** Tries that follow by themselves, because nothing can have been executed. */
  moves = 0;
  /** Tries that the configuration asks for. */
  retries = 0;
  /** Why the try under way is one of those; NO_REASON: it is none. */
  reason = NO_REASON;
  /** The step of the route's fallbacks that would be next. */
  fallbackAt = 0;

  /** With another service everything begins anew. */
  restart(): void {
    this.moves = 0;
    this.retries = 0;
    this.reason = NO_REASON;
  }
}
