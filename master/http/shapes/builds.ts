// Builds, their steps, logs and artifacts; the builders, and the requests that wait for them.
import {z} from 'zod'
import {propertyShape, sourceStampShape} from '../../../worker/protocol/plan.ts'
import {resultShape} from '../../../worker/protocol/results.ts'
import {id, originShape, time, waitShape} from './parts.ts'

export const buildShape = z.object({
  id,
  builder: z.string(),
  number: z.int(),
  state: z.enum(['pending', 'running', 'finished']),
  result: resultShape.nullable(),
  summary: z.string(),
  worker: z.string().nullable(),
  /** The effective attempt's fencing number. */
  attempt: z.string().nullable(),
  /** How many attempts were lost with their worker before it. */
  attemptsLost: z.int(),
  /** Where it ran: `host`, or `container (docker 20.10.24, image hello)`. */
  executor: z.string().nullable(),
  sourceStamps: z.array(sourceStampShape),
  /** The first source stamp's: the name of a git source, or an address. */
  repository: z.string().nullable(),
  branch: z.string().nullable(),
  gotRevision: z.string().nullable().describe('The commit that was checked out: what was tested.'),
  origin: originShape.describe(
    'Who asked for it: only what schedulers asked for is sure to be of its branch.',
  ),
  reason: z.string(),
  properties: z.record(z.string(), propertyShape),
  cancelled: z.object({by: z.string(), reason: z.string(), at: time}).nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  request: id,
  buildset: id,
})
export type Build = z.infer<typeof buildShape>

export const logShape = z.object({
  id,
  name: z.string(),
  lines: z.int(),
  bytes: z.int(),
  complete: z.boolean(),
})
export type Log = z.infer<typeof logShape>

export const stepShape = z.object({
  number: z.int(),
  name: z.string(),
  kind: z.string(),
  state: z.enum(['pending', 'running', 'finished']),
  result: resultShape.nullable(),
  summary: z.string(),
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  attempts: z.int(),
  warnings: z.int(),
  tests: z
    .object({
      passed: z.int(),
      failed: z.int(),
      skipped: z.int(),
      failures: z.array(z.object({name: z.string(), text: z.string()})),
    })
    .nullable(),
  logs: z.array(logShape),
})
export type Step = z.infer<typeof stepShape>

export const builderShape = z.object({
  name: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  state: z.enum(['idle', 'building', 'paused', 'waiting']),
  /** What it needs of a worker, in words: `arch=amd64`, `container image hello`, `host`. */
  needs: z.array(z.string()),
  pending: z.int(),
  running: z.int(),
  lastBuild: buildShape.nullable(),
})
export type Builder = z.infer<typeof builderShape>

export const requestShape = z.object({
  id,
  buildset: id,
  builder: z.string(),
  priority: z.int(),
  state: z.enum(['pending', 'claimed', 'finished']),
  submittedAt: time,
  result: resultShape.nullable(),
  reason: z.string(),
  sourceStamps: z.array(sourceStampShape),
  waiting: z.array(waitShape),
  /** Its builds, oldest first. */
  builds: z.array(id),
})
export type Request = z.infer<typeof requestShape>

export const buildsetShape = z.object({
  id,
  reason: z.string(),
  origin: originShape,
  scheduler: z.string().nullable(),
  complete: z.boolean(),
  result: resultShape.nullable(),
  submittedAt: time,
  sourceStamps: z.array(sourceStampShape),
  properties: z.record(z.string(), propertyShape),
  requests: z.array(
    z.object({
      id,
      builder: z.string(),
      state: z.string(),
      result: resultShape.nullable(),
      builds: z.array(id),
    }),
  ),
})
export type Buildset = z.infer<typeof buildsetShape>

/** What a submission answers, beside `Location`: where to see what becomes of it. */
export const submittedShape = z.object({
  buildset: id,
  requests: z.array(z.object({id, builder: z.string()})),
  statusUrl: z.string(),
})
export type Submitted = z.infer<typeof submittedShape>

export const artifactShape = z.object({
  id,
  build: id,
  step: z.int(),
  name: z.string(),
  path: z.string(),
  bytes: z.int(),
  sha256: z.string(),
})
export type Artifact = z.infer<typeof artifactShape>

/** `GET /logs/ID/follow?from=LINE`: Server-Sent Events named `lines`, each with this; the last one is complete. */
export const followShape = z.object({
  /** The number, from 0, of the first line in `text`. */
  from: z.int(),
  /** Whole lines, and last perhaps the beginning of one (then the next event continues it). */
  text: z.string(),
  complete: z.boolean(),
})
