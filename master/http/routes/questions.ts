// What the questions of several resources have in common: ids, pages, and the answer when a cursor is none of ours.
import {z} from 'zod'
import {Refusal} from '../refusals.ts'

/** The id of a stored row, as it stands in an address. */
export const idParams = z.object({id: z.string().regex(/^[1-9][0-9]{0,17}$/, 'an id is a number')})
export const nameParams = z.object({name: z.string().max(300)})

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(100).nullable().default(null),
})

/** A reason that a person gives, in an optional body. */
export const reasonBody = z.object({reason: z.string().max(1000).default('')}).nullish()

/** Why somebody wants a rest, and for how many seconds; without them until it is ended. */
export const restBody = z
  .object({
    reason: z.string().max(1000).default(''),
    forSeconds: z
      .int()
      .min(1)
      .max(366 * 24 * 3600)
      .nullable()
      .default(null),
  })
  .nullish()

export const restOf = (body: z.infer<typeof restBody>) => ({
  reason: body?.reason ?? '',
  forMs: body?.forSeconds ? body.forSeconds * 1000 : null,
})

export function page<T>(found: T | null): T {
  if (found === null)
    throw new Refusal(400, 'bad-input', 'this cursor is none of ours', [
      {path: 'cursor', message: 'not a cursor'},
    ])
  return found
}

/** A branch's name as git allows it, and none that git could take for an option. */
export const branchText = z
  .string()
  .min(1)
  .max(500)

  .regex(
    /^(?![-/.])(?!.*(?:\.\.|\/\/|@\{|\/\.|\.lock(?:\/|$)))[^\x00-\x20\x7f~^:?*[\\]+$/,
    'not the name of a branch',
  )
  .refine((text) => !/[/.]$/.test(text), 'not the name of a branch')

/** A commit's object name, whole or its beginning. */
export const revisionText = z
  .string()
  .regex(/^[0-9a-fA-F]{4,64}$/, 'expected a commit, 4 to 64 hexadecimal digits')
