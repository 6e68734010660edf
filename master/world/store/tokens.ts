// Tokens of people and workers, and the browser sessions opened with one. Only hashes are stored: who reads the
// database cannot log in with it. Looking a hash up by index tells a guesser nothing about the token itself.
import {createHash, randomBytes} from 'node:crypto'
import {IsNull} from 'typeorm'
import {SessionEntity, TokenEntity, type TokenRow} from './entities/access.ts'
import type {Sql, Transaction} from './store.ts'

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

/** A token as it may be shown: everything but its hash. */
export type Token = Omit<TokenRow, 'hash'>
const shown = {
  id: true, kind: true, name: true, role: true, hint: true,
  createdAt: true, createdBy: true, usedAt: true, revokedAt: true,
} as const // prettier-ignore

/** Makes a token; its text is returned this once and stored nowhere. */
export async function createToken(tx: Transaction, token: NewToken): Promise<{text: string; token: Token}> {
  const text = prefixes[token.kind] + base62(randomBytes(secretBytes))
  const tokens = tx.repository(TokenEntity)
  const {identifiers} = await tokens.insert({
    kind: token.kind,
    name: token.name,
    role: token.kind === 'user' ? token.role : null,
    hash: hashSecret(text),
    hint: text.slice(-hintLength),
    createdBy: token.createdBy,
  })
  const {id} = identifiers[0] as {id: string}
  return {text, token: await tokens.findOneOrFail({select: shown, where: {id}})}
}

/**
 * The token somebody presents, unless it is unknown, revoked or of the other kind. Notes its use once a minute. Asked
 * with every request, so one hand-written statement.
 */
export async function findToken(sql: Sql, kind: TokenKind, text: string): Promise<Token | null> {
  if (!text.startsWith(prefixes[kind])) return null
  const [token] = await sql.query<Token>(
    `WITH found AS (SELECT * FROM tokens WHERE hash = $1 AND kind = $2 AND revoked_at IS NULL),
          noted AS (UPDATE tokens SET used_at = now() FROM found WHERE tokens.id = found.id
                    AND (found.used_at IS NULL OR found.used_at < now() - interval '1 minute'))
     SELECT id, kind, name, role, hint, created_at AS "createdAt", created_by AS "createdBy", used_at AS "usedAt",
            revoked_at AS "revokedAt" FROM found`,
    [hashSecret(text), kind],
  )
  return token ?? null
}

/** At most one write a minute and token, however often it is used. */
async function noteUse(sql: Sql, id: string): Promise<void> {
  await sql.query(
    `UPDATE tokens SET used_at = now() WHERE id = $1 AND (used_at IS NULL OR used_at < now() - interval '1 minute')`,
    [id],
  )
}

/** All tokens, the revoked ones too, newest first. */
export function listTokens(tx: Transaction): Promise<Token[]> {
  return tx.repository(TokenEntity).find({select: shown, order: {id: 'DESC'}})
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
export async function createSession(
  sql: Sql,
  tokenId: string,
  ttlMs: number,
): Promise<{value: string; until: Date}> {
  const value = base62(randomBytes(secretBytes))
  const [row] = await sql.query<{until: Date}>(
    `INSERT INTO sessions (hash, token_id, until)
     VALUES ($1, $2, now() + make_interval(secs => $3::double precision / 1000)) RETURNING until`,
    [hashSecret(value), tokenId, ttlMs],
  )
  if (row === undefined) throw new Error('the database gave no row back for a new session')
  return {value, until: row.until}
}

/** The token behind a session's cookie, unless the session is over or its token revoked. */
export async function findSession(tx: Transaction, value: string): Promise<Token | null> {
  const [session] = await tx.query<{token_id: string}>(
    'SELECT token_id FROM sessions WHERE hash = $1 AND until > now()',
    [hashSecret(value)],
  )
  if (session === undefined) return null
  const where = {id: session.token_id, revokedAt: IsNull()}
  const token = await tx.repository(TokenEntity).findOne({select: shown, where})
  if (token) await noteUse(tx, token.id)
  return token
}

/** Ends a session. */
export async function deleteSession(tx: Transaction, value: string): Promise<void> {
  await tx.repository(SessionEntity).delete({hash: hashSecret(value)})
}

/** Removes the sessions whose time is over; says how many. */
export async function expireSessions(sql: Sql): Promise<number> {
  return (await sql.query('DELETE FROM sessions WHERE until <= now() RETURNING hash')).length
}
