// Lists come in pages: newest first, an opaque cursor, one row more than asked to know whether there is a next page.

export interface Page {
  readonly limit: number
  readonly cursor: string | null
}

export interface Paged<T> {
  items: T[]
  next: string | null
}

const largestId = '9223372036854775807'

/** The id below which a page begins; null for a cursor that is none of ours. */
export function beforeId(cursor: string | null): string | null {
  if (cursor === null) return largestId
  const text = Buffer.from(cursor, 'base64url').toString()
  return /^[1-9][0-9]{0,17}$/.test(text) ? text : null
}

/** A page of rows that were read with `LIMIT limit + 1`. */
export function paged<Row extends {readonly id: string}, T>(
  rows: readonly Row[],
  limit: number,
  as: (row: Row) => T,
): Paged<T> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const next = rows.length > limit && last ? Buffer.from(last.id).toString('base64url') : null
  return {items: shown.map(as), next}
}

export const iso = (time: Date): string => time.toISOString()
export const isoOrNull = (time: Date | null): string | null => time?.toISOString() ?? null

/** Whether a text can be the id of a row. */
export const isId = (text: string): boolean => /^[1-9][0-9]{0,17}$/.test(text)
