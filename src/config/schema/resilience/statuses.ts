import { z } from 'zod';

const error = 'a status from 400 to 599';

/** A status that says the answer is none to be glad of. */
export const failingStatus = z.int({ error }).min(400, { error }).max(599, { error });
