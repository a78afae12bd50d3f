/** Who is at the other end of a connection. There is one such memory per process, as there is one listener. */

import type { HttpResponse } from './addon/uws.js';
import { addressText } from './addresses.js';

/** Undocumented, but there since 2023. */
type WithPort = HttpResponse & { getRemotePort(): number };

const PORTS = 65_536;

/** Connections from this port come from more than one address: ask each time. */
const SEVERAL = '';

class Peers {
  /**
   * By the peer's port, where all connections from it came from. Asking the listener for an address takes 1.0 us, for
   * a port 0.3 us, and a proxy in front has one address.
   */
  readonly #byPort: (string | undefined)[] = new Array(PORTS);
  /** What the first PROXY protocol header of a connection said, by the balancer's address and port. */
  readonly #announced = new Map<string, string>();

  /** A connection has been accepted. The listener tells of every one, before its first request. */
  opened(res: HttpResponse): void {
    const port = portOf(res);
    const address = addressText(res.getRemoteAddressAsText());
    const known = this.#byPort[port];
    this.#byPort[port] = known === undefined || known === address ? address : SEVERAL;
    if (this.#announced.size > 0) this.#announced.delete(`${address}|${port}`);
  }

  addressOf(res: HttpResponse): string {
    return this.#byPort[portOf(res)] || addressText(res.getRemoteAddressAsText());
  }

  /**
   * The address that the PROXY protocol announced; the peer's own when it announced none. The listener takes such a
   * header before every request, but only the first of a connection can come from the balancer: null when a later one
   * says something else.
   */
  announcedAddressOf(res: HttpResponse): string | null {
    const peer = this.addressOf(res);
    const key = `${peer}|${portOf(res)}`;
    const announced = addressText(res.getProxiedRemoteAddressAsText());
    const first = this.#announced.get(key);
    if (first === undefined) this.#announced.set(key, announced);
    else if (first !== announced) return null;
    return announced === '' ? peer : announced;
  }
}

function portOf(res: HttpResponse): number {
  return (res as WithPort).getRemotePort();
}

export const peers = new Peers();
