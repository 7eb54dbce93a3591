/** Sorted by what people know each by. */
export const sortedBy = <T>(items: readonly T[], nameOf: (item: T) => string): readonly T[] =>
  [...items].sort((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
