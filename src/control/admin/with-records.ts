import { RecordFault } from '../../services/records/record-fault.js';
import { StoreFault } from '../../services/store/store-fault.js';
import { type Call, type ControlPlane, problem, type Records, type Reply } from './endpoint.js';

const STATUS = { missing: 404, conflict: 409, invalid: 400 } as const;
const TITLE = { missing: 'Not found', conflict: 'Conflict', invalid: 'Bad request' } as const;

type Handle = (plane: ControlPlane, call: Call) => Promise<Reply>;

/** An endpoint over the store: says what is wrong when there is none, when it is away, or with what was asked for. */
export function withRecords(
  handle: (records: Records, call: Call, plane: ControlPlane) => Reply | Promise<Reply>,
): Handle {
  return async function handleWithRecords(plane, call) {
    const records = plane.records();
    if (records === null) {
      const detail =
        'the configuration has no store: give it "data: ./data", or a provider of type apiKey or session';
      return problem(409, 'No store', detail);
    }
    try {
      return await handle(records, call, plane);
    } catch (error) {
      if (error instanceof RecordFault) return problem(STATUS[error.kind], TITLE[error.kind], error.message);
      if (error instanceof StoreFault) return problem(503, 'Store unavailable', error.message);
      throw error;
    }
  };
}
