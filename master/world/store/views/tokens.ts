// Tokens as administrators see them: never the secret.
import type {Sql} from '../store.ts'
import {beforeId, iso, isoOrNull, paged, type Page, type Paged} from './pages.ts'

interface TokenRow {
  readonly id: string
  readonly kind: 'user' | 'worker'
  readonly name: string
  readonly role: 'viewer' | 'developer' | 'operator' | 'admin' | null
  readonly hint: string
  readonly created_at: Date
  readonly created_by: string | null
  readonly used_at: Date | null
  readonly revoked_at: Date | null
}

const asToken = (row: TokenRow) => ({
  id: row.id,
  kind: row.kind,
  name: row.name,
  role: row.role,
  hint: row.hint,
  createdAt: iso(row.created_at),
  createdBy: row.created_by,
  usedAt: isoOrNull(row.used_at),
  revokedAt: isoOrNull(row.revoked_at),
})

/** Whether a token that was found before is still good. */
export async function isLive(sql: Sql, id: string): Promise<boolean> {
  return (await sql.query('SELECT 1 FROM tokens WHERE id = $1 AND revoked_at IS NULL', [id])).length > 0
}

export async function listTokens(sql: Sql, page: Page): Promise<Paged<ReturnType<typeof asToken>> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const rows = await sql.query<TokenRow>(
    `SELECT id, kind, name, role, hint, created_at, created_by, used_at, revoked_at FROM tokens
      WHERE id < $1 ORDER BY id DESC LIMIT $2`,
    [before, page.limit + 1],
  )
  return paged(rows, page.limit, asToken)
}
