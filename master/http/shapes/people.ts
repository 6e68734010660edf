// Who asks, and the tokens that say so.
import {z} from 'zod'
import {id, time} from './parts.ts'

export const tokenShape = z.object({
  id,
  kind: z.enum(['user', 'worker']),
  name: z.string(),
  role: z.enum(['viewer', 'developer', 'operator', 'admin']).nullable(),
  /** The beginning of the token, to tell tokens apart. */
  hint: z.string(),
  createdAt: time,
  createdBy: z.string().nullable(),
  usedAt: time.nullable(),
  revokedAt: time.nullable(),
})
export type Token = z.infer<typeof tokenShape>

/** Who is asking. Without a token: role null, or viewer where reading is open. */
export const whoShape = z.object({
  name: z.string().nullable(),
  role: z.enum(['viewer', 'developer', 'operator', 'admin']).nullable(),
  readOpen: z.boolean(),
  title: z.string(),
  version: z.string(),
})
export type Who = z.infer<typeof whoShape>
