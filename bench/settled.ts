/**
 * After so long a site of so many agents has nothing left to agree on: who votes on leases is agreed on one
 * member after the other, and each hears in turn from all how far they know what the others wrote.
 */
export const settledAfterMs = (agents: number): number => 60_000 + 2_000 * agents;
