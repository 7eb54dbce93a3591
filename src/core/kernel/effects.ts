/**
 * One handler per effect, in a total table: an effect that the driver or the simulator forgot is a
 * compile error in both.
 */
export type Handlers<E extends { readonly type: string }> = {
  readonly [T in E["type"]]: (effect: Extract<E, { readonly type: T }>) => void;
};

/** Hands one effect to its handler. */
export function carryOut<E extends { readonly type: string }>(handlers: Handlers<E>, effect: E): void {
  const handle = handlers[effect.type as E["type"]] as (effect: E) => void;
  handle(effect);
}
