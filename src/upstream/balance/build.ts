/** A service's balancer, as its configuration says. */
import type { ServiceConfig } from '../../config/schema/services/service.js';
import type { EndpointTable } from '../../shared/endpoint-table.js';
import { Sticky } from '../sticky/sticky.js';
import type { Balancer, Policy } from './balancer.js';
import { ConsistentHash } from './consistent-hash.js';
import { compileHashKey } from './hash/key.js';
import { LatencyMeter, type LatencyOptions } from './latency.js';
import { LeastRequests } from './least-requests.js';
import { PeakEwma } from './peak-ewma.js';
import { Random } from './random.js';
import { RoundRobin } from './round-robin.js';
import { Selection } from './selection.js';

/** What the configuration says of it. */
export type BalanceConfig = Pick<ServiceConfig, 'balance' | 'zones' | 'slowStart' | 'panic' | 'sticky'>;

export interface BalanceEnv {
  readonly table: EndpointTable;
  /** Differs between workers, so that they do not all begin with the same endpoint. */
  readonly offset: number;
  /** Where this gateway stands; null: not said. */
  readonly zone: string | null;
}

type Balance = ServiceConfig['balance'];

export function buildBalancer(name: string, config: BalanceConfig, env: BalanceEnv): Balancer {
  const { balance, zones, slowStart, panic, sticky } = config;
  const { table, zone } = env;
  const selection = new Selection({
    table,
    policy: policyOf(balance.type === 'failover' ? balance.within : balance, env),
    groups: balance.type === 'failover' ? { below: balance.below } : null,
    zones: zone === null || !zones ? null : { zone, ...zones },
    slowStartMs: slowStart,
    panicBelow: panic,
  });
  return sticky === null ? selection : new Sticky(name, sticky, selection);
}

function policyOf(balance: Exclude<Balance, { type: 'failover' }>, { table, offset }: BalanceEnv): Policy {
  switch (balance.type) {
    case 'random':
      return new Random();
    case 'least-requests':
      return new LeastRequests(table);
    case 'peak-ewma':
      return new PeakEwma(table, balance.decay);
    case 'consistent-hash':
      return new ConsistentHash({ table, offset, key: compileHashKey(balance.by), maxLoad: balance.maxLoad });
    default:
      return new RoundRobin(offset);
  }
}

/** What the endpoint in this slot must be measured with, so that the policy can work; null: with nothing. */
export function meterFor(
  { balance }: BalanceConfig,
  table: EndpointTable,
  slot: number,
): LatencyMeter | null {
  const options = latencyOptions(balance);
  return options === null ? null : new LatencyMeter(table, slot, options);
}

function latencyOptions(balance: Balance): LatencyOptions | null {
  if (balance.type === 'failover') return latencyOptions(balance.within);
  return balance.type === 'peak-ewma' ? balance : null;
}
