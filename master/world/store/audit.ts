// The audit trail: who changed what, from where. Written in the transaction of the change itself.
import type {Sql} from './store.ts'
import {cleanJson, cleanText} from './text.ts'

/** Who acts, and from which address. */
export interface Actor {
  readonly who: string
  readonly address: string | null
}

export async function audit(
  tx: Sql,
  actor: Actor,
  action: string,
  target: string,
  data: object = {},
): Promise<void> {
  await tx.query('INSERT INTO audit (who, address, action, target, data) VALUES ($1, $2, $3, $4, $5)', [
    actor.who,
    actor.address,
    action,
    cleanText(target),
    cleanJson(data),
  ])
}
