// What a step or a build can come to. The names and their order of badness are Buildbot's.
import {z} from 'zod'

/** What we call the end of a step or build; `worker/core` orders them by badness. */
export const results = [
  'success',
  'skipped',
  'warnings',
  'failure',
  'exception',
  'retry',
  'cancelled',
] as const

export const resultShape = z.enum(results)
export type Result = z.infer<typeof resultShape>

/**
 * What the worker saw when a command ended; `core` decides what to call it.
 * `exited` carries the code (128 + signal when a signal ended it) and whether the kernel killed processes of the step because
 * its container's memory limit was reached, `temporary` is a failure that a later try may
 * not meet (exit code 75, a server that did not answer), `broken` is our own inability, such as a missing image.
 */
export const outcomeShape = z.discriminatedUnion('outcome', [
  z.object({outcome: z.literal('exited'), code: z.int(), outOfMemory: z.literal(true).optional()}),
  z.object({outcome: z.literal('silent'), seconds: z.number()}),
  z.object({outcome: z.literal('overtime'), seconds: z.number()}),
  z.object({outcome: z.literal('cancelled')}),
  z.object({outcome: z.literal('temporary'), text: z.string()}),
  z.object({outcome: z.literal('broken'), text: z.string()}),
])
export type Outcome = z.infer<typeof outcomeShape>
