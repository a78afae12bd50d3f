/**
 * Addresses that a PROXY protocol header announced. The listener takes such a header before every request; only the
 * first of a connection can come from the balancer, so that one counts and a later one that differs is an attack.
 */
import { addressText } from './addresses.js';
import type { HttpResponse } from './uws.js';

/** Undocumented, but there since 2023. */
type WithPort = HttpResponse & { getRemotePort(): number };

class ProxiedPeers {
  /** By the balancer's address and port: unique among open connections, forgotten when they are used again. */
  readonly #announced = new Map<string, string>();

  /** A connection has been accepted. */
  opened(res: HttpResponse): void {
    this.#announced.delete(connectionKey(res));
  }

  /** The announced address; the balancer's own when it announced none; null when it is not the one announced first. */
  addressOf(res: HttpResponse): string | null {
    const key = connectionKey(res);
    const announced = addressText(res.getProxiedRemoteAddressAsText());
    const first = this.#announced.get(key);
    if (first === undefined) {
      this.#announced.set(key, announced);
    } else if (first !== announced) {
      return null;
    }
    return announced === '' ? addressText(res.getRemoteAddressAsText()) : announced;
  }
}

/** Those of this process's listener. */
export const proxiedPeers = new ProxiedPeers();

function connectionKey(res: HttpResponse): string {
  return `${addressText(res.getRemoteAddressAsText())}|${(res as WithPort).getRemotePort()}`;
}
