// Sizes as people write them (`64MiB`, `1GB`), and the bytes they come to.
import {z} from 'zod'

const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** The bytes of a size such as `64MiB`; null for anything else. */
export function parseSize(text: string): number | null {
  const found = /^(\d{1,9})(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/.exec(text)
  if (!found) return null
  const bytes = Number(found[1]) * (unitBytes[found[2] ?? ''] ?? NaN)
  return Number.isSafeInteger(bytes) ? bytes : null
}

/** A size above zero, as bytes. */
export const size = (such = '64MiB') => {
  const expected = `expected a size such as ${such}`
  return z
    .string({error: expected})
    .meta({title: 'size'})
    .transform((text, context) => {
      const bytes = parseSize(text)
      if (bytes !== null && bytes > 0) return bytes
      context.addIssue({code: 'custom', message: expected, input: text})
      return z.NEVER
    })
}
