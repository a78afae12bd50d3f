/** Why a socket ended (RFC 6455 §7.4, and the registry it made). */

export const GOING_AWAY = 1001;
export const PROTOCOL_ERROR = 1002;
/** Never on the wire: the other side closed without saying why. */
export const NO_STATUS = 1005;
/** Never on the wire: the connection was gone without a close. */
export const ABNORMAL = 1006;
/** Text that is no UTF-8. */
export const INVALID_TEXT = 1007;
/** The default when an operator closes a socket. */
export const POLICY_VIOLATION = 1008;
export const TOO_BIG = 1009;
export const SERVICE_RESTART = 1012;
export const TRY_AGAIN_LATER = 1013;
export const BAD_GATEWAY = 1014;
/** Ours: as 401, 403 and 408 are for requests. */
export const TOKEN_EXPIRED = 4401;
export const FORBIDDEN = 4403;
export const SLOW_CONSUMER = 4408;
/** Ours: as 422 and 429 are for requests. */
export const UNFIT_MESSAGE = 4422;
export const TOO_MANY_MESSAGES = 4429;

/** What the listener says about a close frame that is none, for instance because of its code. */
export const UNREADABLE_CLOSE = 'Received invalid close payload';

const MESSAGE_TOO_BIG = 'Received too big message';

/** With which code a service is told of a client that has closed; 1006: it is to be cut off. `reason` may be the listener's own. */
export function closeToPassOn(code: number, reason: string): number {
  if (isSendable(code)) return code;
  if (code === NO_STATUS || reason === UNREADABLE_CLOSE) return NO_STATUS;
  return reason === MESSAGE_TOO_BIG ? TOO_BIG : ABNORMAL;
}

/** Whether a peer may have sent it. */
export function isSendable(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== NO_STATUS && code !== ABNORMAL) ||
    (code >= 3000 && code <= 4999)
  );
}
