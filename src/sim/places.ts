import { isWithin, regionsAround, type Place } from "../core/records/scope.ts";

/** `site oslo` or `region eu.de`: under which name a node at `place` is told of those at another. */
export function placeTold(place: Place, other: Place): string {
  if (isWithin(place.region, other.region)) return `site ${other.site}`;
  const region = regionsAround(other.region).find((name) => !isWithin(place.region, name));
  return `region ${region ?? other.region}`;
}

/** Everything that somebody who stands there belongs to. */
export const placesOf = ({ site, region }: Place): readonly string[] => [
  `site ${site}`,
  ...regionsAround(region).map((name) => `region ${name}`),
];
