/** The parts that the vectors are run on; built for the tests only. */

import "./contacts";

export { campaignOf, takeToken } from "./address";
export { clean } from "./identifiers";
export { newId } from "./ids";
export { make_link_token, read_link_token, signed } from "./links";
export { askedMs, backoffMs, decide } from "./retry";
export { cut, Sender } from "./sender";
export { sha256Hex } from "./sha256";
export { Client, inMemory } from "./client";
export { Losses } from "./losses";
export { settingsOf } from "./settings";
