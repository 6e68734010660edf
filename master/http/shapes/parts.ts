// What the shapes of the API are made of, and how it says that something is wrong.
import {z} from 'zod'

export const id = z.string()
export const time = z.iso.datetime()

export const list = <S extends z.ZodType>(item: S) =>
  z.object({items: z.array(item), next: z.string().nullable()})

/** Why something waits. `code` is for programs (`no-worker`, `busy`, `paused`, `label`, `engine`, `not-before` ...), `text` for people. */
export const waitShape = z.object({code: z.string(), text: z.string()})

export const originShape = z.enum([
  'scheduler',
  'force',
  'forceTrusted',
  'rebuild',
  'trigger',
  'api',
  'promotion',
])

export const problemShape = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  problems: z.array(z.object({path: z.string(), message: z.string()})).optional(),
})
