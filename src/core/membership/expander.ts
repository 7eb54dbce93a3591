import { hash53 } from "../kernel/hash.ts";

/**
 * Neighbours in a graph that everybody who knows the same names finds alone: the names stand in `rings`
 * circles, each in another order (by hash), and everyone is joined to the next and the one before in each.
 *
 * So it is symmetric, connected for any size, and no name has more than `2 * rings` neighbours. A name that
 * comes or goes changes one place of each circle. From two circles on such a graph is an expander with high
 * probability: no part of it hangs on few edges, and ways are about log n long (Law and Siu, "Distributed
 * Construction of Random Expander Networks", INFOCOM 2003).
 *
 * @param isLost Names that are out of reach: they stay neighbours, and those behind them are, too. So all who
 *   find the same names lost stand in circles of their own.
 */
export function ringNeighbours(
  self: string,
  names: Iterable<string>,
  rings: number,
  isLost: (name: string) => boolean = nobody,
): Set<string> {
  const others = [...new Set(names)].filter((name) => name !== self);
  if (others.length <= 2 * rings) return new Set(others);
  const neighbours = new Set<string>();
  const ownHash = hash53(self) | 0;
  const hashes = others.map((name) => hash53(name) | 0);
  for (let ring = 0; ring < rings; ring++) {
    const own = placeIn(ring, self, ownHash);
    let [least, greatest, next, previous]: (RingPlace | undefined)[] = [];
    for (const [at, name] of others.entries()) {
      const place = placeIn(ring, name, hashes[at] ?? 0);
      if (least === undefined || isBefore(place, least)) least = place;
      if (greatest === undefined || isBefore(greatest, place)) greatest = place;
      if (isBefore(own, place)) next = next === undefined || isBefore(place, next) ? place : next;
      else previous = previous === undefined || isBefore(previous, place) ? place : previous;
    }
    // Who has nobody behind it is followed by the first of the circle.
    const near = [next ?? least, previous ?? greatest].flatMap((found) => found?.name ?? []);
    for (const name of near) neighbours.add(name);
    if (!near.some(isLost)) continue;
    const circle = others.map((name, at) => placeIn(ring, name, hashes[at] ?? 0));
    for (const name of upToReached(own, circle, isLost)) neighbours.add(name);
  }
  return neighbours;
}

/** In both directions of a circle, whoever stands there up to the first that is not lost. */
function upToReached(
  own: RingPlace,
  circle: readonly RingPlace[],
  isLost: (name: string) => boolean,
): readonly string[] {
  const sorted = circle.toSorted((left, right) => (isBefore(left, right) ? -1 : 1));
  const behind = sorted.findIndex((place) => isBefore(own, place));
  const onward = behind < 0 ? sorted : [...sorted.slice(behind), ...sorted.slice(0, behind)];
  return [onward, onward.toReversed()].flatMap((walk) => {
    const reached = walk.findIndex(({ name }) => !isLost(name));
    const steps = reached < 0 ? passedOverMax : Math.min(passedOverMax, reached);
    return walk.slice(0, steps + 1).map(({ name }) => name);
  });
}

const nobody = (): boolean => false;
/** Of a circle and a direction; enough where three of four are lost. */
const passedOverMax = 8;

type RingPlace = { readonly at: number; readonly name: string };

/** The hash of the name, mixed once more for each circle (the finaliser of MurmurHash3). */
function placeIn(ring: number, name: string, hash: number): RingPlace {
  let at = hash ^ Math.imul(ring + 1, 0x9e3779b1);
  at = Math.imul(at ^ (at >>> 16), 0x85ebca6b);
  at = Math.imul(at ^ (at >>> 13), 0xc2b2ae35);
  return { at: (at ^ (at >>> 16)) >>> 0, name };
}

const isBefore = (left: RingPlace, right: RingPlace): boolean =>
  left.at < right.at || (left.at === right.at && left.name < right.name);
