// Text as PostgreSQL can keep it.

/**
 * Replaces what PostgreSQL refuses in text and jsonb, the NUL character and lone surrogates, by U+FFFD. For what
 * comes from outside: commit messages, names in a hook's body, a command's output.
 */
export const cleanText = (text: string): string => text.replace(/\0|\p{Surrogate}/gu, '\ufffd')

/** The same for every text, also of keys, inside a value that goes into a jsonb column. */
export function cleanJson<T>(value: T): T {
  if (typeof value === 'string') return cleanText(value) as T
  if (Array.isArray(value)) return value.map((item: unknown) => cleanJson(item)) as T
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [cleanText(key), cleanJson<unknown>(item)]),
  ) as T
}
