// Deliveries of hooks, remembered so that one that comes again is answered the same and done once.
import type {Sql} from './store.ts'
import {cleanJson} from './text.ts'

/** Days a delivery is remembered; whoever prunes the store deletes older ones. */
export const deliveriesKeptDays = 7

/**
 * Takes a delivery's keys for this transaction. Answers null when they are new, else what the first one was answered;
 * a repetition that comes while the first is being done waits for it.
 */
export async function takeDelivery(tx: Sql, source: string, keys: readonly string[]): Promise<object | null> {
  for (const key of keys) {
    const rows = await tx.query(
      `INSERT INTO hook_deliveries (source, delivery, answer) VALUES ($1, $2, '{}') ON CONFLICT DO NOTHING RETURNING 1 AS new`,
      [source, key],
    )
    if (rows.length > 0) continue
    const [before] = await tx.query<{answer: object}>(
      'SELECT answer FROM hook_deliveries WHERE source = $1 AND delivery = $2',
      [source, key],
    )
    return before?.answer ?? {}
  }
  return null
}

/** Stores what a delivery is answered; answers it as it is stored, so that the first answer and the later ones are one. */
export async function answerDelivery(
  tx: Sql,
  source: string,
  keys: readonly string[],
  answer: object,
): Promise<object> {
  const rows = await tx.query<{answer: object}>(
    'UPDATE hook_deliveries SET answer = $3 WHERE source = $1 AND delivery = ANY($2::text[]) RETURNING answer',
    [source, keys, cleanJson(answer)],
  )
  return rows[0]?.answer ?? answer
}
