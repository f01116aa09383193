/** The script with everything: see `tag.ts`. */

import { Client, calls, client, close, flush, init } from "./browser";
import { begin } from "./tag";

begin({ ...calls, Client, client, close, flush, init });
