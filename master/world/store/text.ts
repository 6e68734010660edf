// Text that PostgreSQL can hold. It refuses the character NUL in text and jsonb, and lone surrogates in jsonb; what
// came from outside is cleaned here, at the door, so that no byte anyone sends can make a statement fail.

/** The text with NUL and lone surrogates replaced by U+FFFD. */
export const cleanText = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')

/** JSON of the value in which all text, keys too, is clean. */
export const cleanJson = (value: unknown): string => JSON.stringify(clean(value))

function clean(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), clean(item)]))
  return value
}

/** SQL for a time as the API writes it. */
export const apiTime = (time: string): string =>
  `to_char((${time}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
