// Where changes come from, and the schedulers that make builds of them.
import {z} from 'zod'
import {propertyShape} from '../../../worker/protocol/plan.ts'
import {id, time} from './parts.ts'

export const changeShape = z.object({
  id,
  source: z.string(),
  repository: z.string(),
  branch: z.string(),
  revision: z.string(),
  author: z.string(),
  message: z.string(),
  files: z.array(z.string()),
  /** How many more files it touches than are listed. */
  filesMore: z.int(),
  link: z.string().nullable(),
  committedAt: time.nullable(),
  recordedAt: time,
})
export type Change = z.infer<typeof changeShape>

export const sourceShape = z.object({
  name: z.string(),
  kind: z.string(),
  polledAt: time.nullable(),
  nextPollAt: time.nullable(),
  failures: z.int(),
  error: z.string().nullable(),
  branches: z.record(z.string(), z.string()),
})
export type Source = z.infer<typeof sourceShape>

export const parameterShape = z.object({
  name: z.string(),
  kind: z.enum(['string', 'text', 'integer', 'boolean', 'choice']),
  label: z.string(),
  required: z.boolean(),
  default: propertyShape,
  choices: z.array(z.string()),
  pattern: z.string().nullable(),
  min: z.number().nullable(),
  max: z.number().nullable(),
})

/** A change that a scheduler holds, and why: its branch is `red`, or not quiet yet (`unstable`). */
export const heldShape = z.object({
  change: id,
  scheduler: z.string(),
  branch: z.string(),
  revision: z.string(),
  subject: z.string(),
  since: time,
  code: z.enum(['red', 'unstable']),
  text: z.string(),
})
export type Held = z.infer<typeof heldShape>

export const schedulerShape = z.object({
  name: z.string(),
  kind: z.enum(['singleBranch', 'nightly', 'force']),
  builders: z.array(z.string()),
  /** What it does, in a sentence. */
  text: z.string(),
  dueAt: time.nullable(),
  /** For `force`: what its form asks. */
  label: z.string().nullable(),
  branch: z.string().nullable(),
  parameters: z.array(parameterShape),
  /** The changes that it holds now, oldest first. */
  held: z.array(heldShape),
})
export type Scheduler = z.infer<typeof schedulerShape>
