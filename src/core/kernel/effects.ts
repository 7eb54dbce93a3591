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

/** The same as a table that is made once, where making it costs more than most effects: it is told whose they are. */
export type HandlersOf<T, E extends { readonly type: string }> = {
  readonly [K in E["type"]]: (whose: T, effect: Extract<E, { readonly type: K }>) => void;
};

export function carryOutFor<T, E extends { readonly type: string }>(
  whose: T,
  handlers: HandlersOf<T, E>,
  effect: E,
): void {
  const handle = handlers[effect.type as E["type"]] as (whose: T, effect: E) => void;
  handle(whose, effect);
}
