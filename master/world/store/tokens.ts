// Tokens of people and workers, and the browser sessions opened with one. Only hashes are stored: who reads the
// database cannot log in with it. Looking a hash up by index tells a guesser nothing about the token itself.
import {createHash, randomBytes} from 'node:crypto'
import type {SessionRow, TokenRow} from './entities.ts'
import type {Sql} from './store.ts'

export type TokenKind = 'user' | 'worker'
export type Role = 'viewer' | 'developer' | 'operator' | 'admin'

export type NewToken =
  | {readonly kind: 'user'; readonly name: string; readonly role: Role; readonly createdBy: string | null}
  | {readonly kind: 'worker'; readonly name: string; readonly createdBy: string | null}

/** Prefixes let leak scanners recognise a token. */
const prefixes: Record<TokenKind, string> = {user: 'ostler_u_', worker: 'ostler_w_'}
const secretBytes = 32
const hintLength = 4

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Base 62 of these bytes, always of the same length. */
export function base62(bytes: Uint8Array): string {
  const length = Math.ceil((bytes.length * 8) / Math.log2(digits.length))
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (let at = 0; at < length; at++) {
    text = digits.charAt(Number(value % 62n)) + text
    value /= 62n
  }
  return text
}

export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

const tokenColumns = `id, kind, name, role, hint, created_at AS "createdAt", created_by AS "createdBy",
  used_at AS "usedAt", revoked_at AS "revokedAt"`

/** A token as it may be shown: everything but its hash. */
export type Token = Omit<TokenRow, 'hash'>

/** Makes a token; its text is returned this once and stored nowhere. */
export async function createToken(sql: Sql, token: NewToken): Promise<{text: string; token: Token}> {
  const text = prefixes[token.kind] + base62(randomBytes(secretBytes))
  const rows = await sql.query<Token>(
    `INSERT INTO tokens (kind, name, role, hash, hint, created_by) VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${tokenColumns}`,
    [token.kind, token.name, token.kind === 'user' ? token.role : null, hashSecret(text), text.slice(-hintLength), token.createdBy],
  )
  return {text, token: one(rows)}
}

/** The token somebody presents, unless it is unknown, revoked or of the other kind. Notes its use once a minute. */
export async function findToken(sql: Sql, kind: TokenKind, text: string): Promise<Token | null> {
  if (!text.startsWith(prefixes[kind])) return null
  const [token] = await sql.query<Token>(
    `SELECT ${tokenColumns} FROM tokens WHERE hash = $1 AND kind = $2 AND revoked_at IS NULL`,
    [hashSecret(text), kind],
  )
  if (token === undefined) return null
  await noteUse(sql, token.id)
  return token
}

/** At most one write a minute and token, however often it is used. */
async function noteUse(sql: Sql, id: string): Promise<void> {
  await sql.query(
    `UPDATE tokens SET used_at = now() WHERE id = $1 AND (used_at IS NULL OR used_at < now() - interval '1 minute')`,
    [id],
  )
}

/** All tokens, the revoked ones too, newest first. */
export function listTokens(sql: Sql): Promise<Token[]> {
  return sql.query<Token>(`SELECT ${tokenColumns} FROM tokens ORDER BY id DESC`)
}

/** Ends a token and its sessions; false when there is no such token that is still good. */
export async function revokeToken(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql.query(
    `WITH revoked AS (UPDATE tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id),
          ended AS (DELETE FROM sessions WHERE token_id IN (SELECT id FROM revoked))
     SELECT id FROM revoked`,
    [id],
  )
  return rows.length === 1
}

/** Opens a session for a token; the value for the cookie is returned this once and stored nowhere. */
export async function createSession(sql: Sql, tokenId: string, ttlMs: number): Promise<{value: string; until: Date}> {
  const value = base62(randomBytes(secretBytes))
  const rows = await sql.query<Pick<SessionRow, 'until'>>(
    `INSERT INTO sessions (hash, token_id, until)
     VALUES ($1, $2, now() + make_interval(secs => $3::double precision / 1000)) RETURNING until`,
    [hashSecret(value), tokenId, ttlMs],
  )
  return {value, until: one(rows).until}
}

/** The token behind a session's cookie, unless the session is over or its token revoked. */
export async function findSession(sql: Sql, value: string): Promise<Token | null> {
  const [token] = await sql.query<Token>(
    `SELECT ${tokenColumns} FROM tokens
     WHERE revoked_at IS NULL AND id = (SELECT token_id FROM sessions WHERE hash = $1 AND until > now())`,
    [hashSecret(value)],
  )
  if (token === undefined) return null
  await noteUse(sql, token.id)
  return token
}

/** Ends a session. */
export async function deleteSession(sql: Sql, value: string): Promise<void> {
  await sql.query('DELETE FROM sessions WHERE hash = $1', [hashSecret(value)])
}

/** Removes the sessions whose time is over; says how many. */
export async function expireSessions(sql: Sql): Promise<number> {
  return (await sql.query('DELETE FROM sessions WHERE until <= now() RETURNING hash')).length
}

function one<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('an INSERT returned no row')
  return row
}
