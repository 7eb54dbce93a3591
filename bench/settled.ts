/**
 * After so long a site of so many agents has nothing left to agree on: who votes on leases is agreed on one
 * member after the other, 15 s each.
 */
export const settledAfterMs = (agents: number): number => 10_000 + 16_000 * agents;
