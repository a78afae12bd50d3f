/** Why the store cannot do something now. Its text is for people and has no secrets. */
export class StoreFault extends Error {}
