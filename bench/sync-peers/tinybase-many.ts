import { createTinyBase } from "./tinybase.ts";

/** The records dealt out to 1,000 tables by a hash of the key, which suits its exchange of hashes best. */
export const peer = createTinyBase("TinyBase, 1,000 tables", 1000);
