import { runAsShard } from "../shard-threads.ts";
import { liveADay, type DayOptions } from "./day.ts";

/** A shard of a fleet, as a thread. */

runAsShard((shard, options: DayOptions) => liveADay(options, {}, shard));
