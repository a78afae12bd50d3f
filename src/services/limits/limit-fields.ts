/** What answers say about limits: draft-ietf-httpapi-ratelimit-headers-11, and the older fields. */
import type { Exchange } from '../../exchange.js';
import type { Algorithm, Decision } from './decision.js';
import type { LimitVariant } from './limit.js';

export type HeaderStyle = 'standard' | 'legacy' | 'both' | 'off';

/** The parts of both fields that a limit says of itself each time; empty where its figures are not for clients. */
export interface LimitTexts {
  readonly policy: string;
  /** `RateLimit` up to what is left. */
  readonly opening: string;
}

export function limitTexts(name: string, { quota, windowSeconds, untold }: Algorithm): LimitTexts {
  if (untold) return { policy: '', opening: '' };
  const window = windowSeconds > 0 ? `;w=${Math.ceil(windowSeconds)}` : '';
  return { policy: `"${name}";q=${quota}${window}`, opening: `"${name}";r=` };
}

/** Notes in the exchange what a decision says, beside what an earlier one has said. */
export function describeLimits(
  x: Exchange,
  style: HeaderStyle,
  variants: readonly LimitVariant[],
  { remaining, resetMs }: Decision,
): void {
  let policy = x.rateLimitPolicy;
  let figures = x.rateLimit;
  let tightest = -1;
  for (let i = 0; i < variants.length; i++) {
    const { texts } = variants[i];
    if (texts.opening === '') continue;
    const left = remaining[i];
    // Whole numbers below 2^31 as such: as doubles they would be looked up to be written.
    const written = left < 2 ** 31 ? left | 0 : left;
    const reset = Math.ceil(resetMs[i] / 1000);
    if (figures === '') {
      policy = texts.policy;
      figures = texts.opening + written;
    } else {
      policy += `, ${texts.policy}`;
      figures += `, ${texts.opening}${written}`;
    }
    figures += `;t=${reset}`;
    if (tightest < 0 || left < remaining[tightest]) tightest = i;
  }
  if (style !== 'legacy') {
    x.rateLimitPolicy = policy;
    x.rateLimit = figures;
  }
  if (style === 'standard' || tightest < 0) return;
  if (x.legacyLimit !== null && x.legacyLimit[1] <= remaining[tightest]) return;
  const { quota } = variants[tightest].algorithm;
  x.legacyLimit = [quota, remaining[tightest], Math.ceil(resetMs[tightest] / 1000)];
}

/** Step 6. */
export function tellLimits(style: HeaderStyle): (x: Exchange) => void {
  return function addLimitFields(x) {
    const fields = x.answerHeaders;
    if (x.rateLimit !== '' && style !== 'legacy') {
      fields.push('ratelimit-policy', x.rateLimitPolicy, 'ratelimit', x.rateLimit);
    }
    if (x.legacyLimit === null) return;
    const [limit, remaining, reset] = x.legacyLimit;
    fields.push('x-ratelimit-limit', String(limit), 'x-ratelimit-remaining', String(remaining));
    fields.push('x-ratelimit-reset', String(reset));
  };
}
