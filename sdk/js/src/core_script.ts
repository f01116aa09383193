/** The script of the core: see `tag.ts`. */

import { Client, calls, client, close, flush, init } from "./core";
import { begin } from "./tag";

begin({ ...calls, Client, client, close, flush, init });
