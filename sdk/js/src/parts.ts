/** The parts that the vectors are run on; built for the tests only. */


export { campaignOf } from "./address";
export { clean } from "./identifiers";
export { newId } from "./ids";
export { make_link_token, read_link_token, signed, take_link_token } from "./links";
export { askedMs, backoffMs, decide } from "./retry";
export { senderOf } from "./sender";
export { sha256Hex } from "./sha256";
export { clientOf } from "./client";
export { lossesOf } from "./losses";
export { forgetful, inMemory } from "./memory";
