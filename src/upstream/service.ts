/** A named service: its endpoints, and which of them is next. */
import type { Endpoint } from './endpoint.js';

export interface Timeouts {
  /** Milliseconds for a free connection, the TCP and the TLS handshake together. */
  readonly connect: number;
  /** From the end of the request to the head of the answer. */
  readonly firstByte: number;
  /** Without a byte in either direction, once the request or the answer has begun. */
  readonly idle: number;
  /** The whole exchange with the service, all attempts together. 0: none. */
  readonly total: number;
}

/** Chooses the endpoint of the next attempt. */
export interface Balancer {
  /** `not` failed just now: take another if there is one. */
  pick(not: Endpoint | null): Endpoint;
}

export class Service {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  readonly timeouts: Timeouts;
  readonly balancer: Balancer;

  constructor(name: string, endpoints: readonly Endpoint[], timeouts: Timeouts, balancer: Balancer) {
    this.name = name;
    this.endpoints = endpoints;
    this.timeouts = timeouts;
    this.balancer = balancer;
  }
}
