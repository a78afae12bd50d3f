/** What answers say about limits: draft-ietf-httpapi-ratelimit-headers-11, and the older fields. */
import type { Exchange } from '../../exchange.js';
import type { Algorithm, Decision } from './decision.js';
import type { LimitVariant } from './limit.js';

export type HeaderStyle = 'standard' | 'legacy' | 'both' | 'off';

/** The parts of both fields that a limit says of itself each time; empty where its figures are not for clients. */
export interface LimitTexts {
  readonly policy: string;
  /** `RateLimit` up to what is left: where nothing stands before it, and behind another limit. */
  readonly first: string;
  readonly next: string;
}

/** One on trial refuses nobody: clients that heard of it would hold back for nothing. */
export function limitTexts(name: string, algorithm: Algorithm, onTrial: boolean): LimitTexts {
  const { quota, windowSeconds, unit, untold } = algorithm;
  if (untold || onTrial) return { policy: '', first: '', next: '' };
  const counted = unit === undefined ? '' : `;qu="${unit}"`;
  const window = windowSeconds > 0 ? `;w=${Math.ceil(windowSeconds)}` : '';
  return { policy: `"${name}";q=${quota}${counted}${window}`, first: `"${name}";r=`, next: `, "${name}";r=` };
}

type Figures = Pick<Decision, 'remaining' | 'resetMs' | 'refusedBy'>;

/** Notes in the exchange what decisions say, beside what an earlier one has said. One for each list of limits. */
export class LimitTeller {
  readonly #style: HeaderStyle;
  /** Of the last request: from caller to caller only a role may change them. */
  readonly #variants: LimitVariant[] = [];
  #policy = '';

  constructor(style: HeaderStyle) {
    this.#style = style;
  }

  tell(x: Exchange, variants: readonly LimitVariant[], { remaining, resetMs, refusedBy }: Figures): void {
    let figures = x.rateLimit;
    let tightest = -1;
    for (let i = 0; i < variants.length; i++) {
      const { texts } = variants[i];
      if (texts.policy === '') continue;
      const left = remaining[i];
      // Whole numbers below 2^31 as such: as doubles they would be looked up to be written.
      const written = left < 2 ** 31 ? left | 0 : left;
      figures += (figures === '' ? texts.first : texts.next) + written + resetText(resetMs[i]);
      if (tightest < 0 || left < remaining[tightest]) tightest = i;
    }
    if (tightest < 0) return;
    if (this.#style !== 'legacy') {
      const policy = this.#policyOf(variants);
      x.rateLimitPolicy = x.rateLimitPolicy === '' ? policy : `${x.rateLimitPolicy}, ${policy}`;
      x.rateLimit = figures;
    }
    if (this.#style === 'standard') return;
    // The older fields have room for one: that which refused, else the one with the least left.
    if (refusedBy >= 0 && variants[refusedBy].texts.policy !== '') tightest = refusedBy;
    else if (x.legacyLimit !== null && x.legacyLimit[1] <= remaining[tightest]) return;
    const { quota } = variants[tightest].algorithm;
    x.legacyLimit = [quota, remaining[tightest], Math.ceil(resetMs[tightest] / 1000)];
  }

  #policyOf(variants: readonly LimitVariant[]): string {
    let isKnown = this.#variants.length === variants.length;
    for (let i = 0; isKnown && i < variants.length; i++) isKnown = variants[i] === this.#variants[i];
    if (isKnown) return this.#policy;
    const policies = variants.map(({ texts }) => texts.policy);
    this.#policy = policies.filter((policy) => policy !== '').join(', ');
    this.#variants.splice(0, Infinity, ...variants);
    return this.#policy;
  }
}

/** Up to a minute they are at hand. */
const RESETS = Array.from({ length: 61 }, (_, s) => `;t=${s}`);

function resetText(ms: number): string {
  const s = Math.ceil(ms / 1000);
  return s < RESETS.length ? RESETS[s] : `;t=${s}`;
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
