// What reporters were to tell.
import {z} from 'zod'
import {id, time} from './parts.ts'

/** What a reporter was to tell. `recipients` are those of a mail; `error` is the last thing the other side said. */
export const reportShape = z.object({
  id,
  reporter: z.string(),
  event: z.string(),
  title: z.string(),
  link: z.string().nullable(),
  at: time.nullable(),
  recipients: z.array(z.string()),
  state: z.enum(['waiting', 'sent', 'givenUp']),
  tries: z.int(),
  error: z.string().nullable(),
  nextAt: time.nullable(),
  sentAt: time.nullable(),
  givenUpAt: time.nullable(),
})
export type Report = z.infer<typeof reportShape>
