/** Records of API keys and those who own them. Times in milliseconds since 1970. */

/** Kind `consumer`, by name: a person, a service, a partner. */
export interface ConsumerRecord {
  readonly name: string;
  /** Empty: none in particular. */
  readonly plan: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  /** False: none of its keys opens anything. */
  readonly enabled: boolean;
  readonly description: string;
  readonly createdAt: number;
}

/** Kind `key`, by id. */
export interface KeyRecord {
  readonly id: string;
  readonly env: string;
  /** Name of the consumer. */
  readonly consumer: string;
  readonly name: string;
  /** Newest first; two while one is being replaced. */
  readonly secrets: readonly KeySecret[];
  /** Beside those of the consumer. */
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  /** Instead of the consumer's; empty: that one. */
  readonly plan: string;
  /** CIDR or addresses; empty: from anywhere. */
  readonly networks: readonly string[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly createdAt: number;
}

export interface KeySecret {
  /** SHA-256 of the whole key, hex. */
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** Kind `used`, by id of the key. */
export interface UseRecord {
  readonly at: number;
}
