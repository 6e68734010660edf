// Who is there: workers and masters.
import {z} from 'zod'
import {spoolShape} from '../../../worker/protocol/messages.ts'
import {id, time} from './parts.ts'

export const workerShape = z.object({
  name: z.string(),
  state: z.enum(['connected', 'paused', 'draining', 'quarantined', 'lost', 'offline']),
  labels: z.record(z.string(), z.string()),
  maxBuilds: z.int(),
  running: z.int(),
  /** Ids of the builds it runs. */
  builds: z.array(id),
  engine: z.string().nullable(),
  skewMs: z.number(),
  freeBytes: z.number().nullable(),
  /**
   * Output that waits on its disk for a master, and how much may. `policy` says what becomes of more: `truncate` (the middle
   * is cut out) or `block` (the step is held); for how many builds that happens now, and the bytes cut since it was started.
   * null for a worker that does not tell.
   */
  spool: spoolShape.nullable(),
  connectedAt: time.nullable(),
  lastSeenAt: time.nullable(),
  version: z.string().nullable(),
  /** The master it is connected to. */
  master: z.string().nullable(),
  /** Who paused or drains it, why and since when; or why it gets no work. */
  reason: z.string().nullable(),
})
export type Worker = z.infer<typeof workerShape>

export const masterShape = z.object({
  id: z.string(),
  address: z.string().nullable(),
  version: z.string().nullable(),
  /** `silent` after 20 seconds without a sign of life. */
  state: z.enum(['alive', 'silent']),
  /** How many workers are connected to it. */
  workers: z.int(),
  /** Names the configuration that it works by; living masters should all have the same. */
  config: z.string().nullable(),
  startedAt: time,
  lastSeenAt: time,
})
export type MasterView = z.infer<typeof masterShape>
