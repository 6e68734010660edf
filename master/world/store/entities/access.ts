// The tables of who may come in and what they did.
import {bigint, identity, json, key, optional, table, text, time, word, type Row} from './columns.ts'

export const TokenEntity = table('tokens', {
  id: identity,
  kind: word<'user' | 'worker'>(),
  name: text,
  role: optional(word<'viewer' | 'developer' | 'operator' | 'admin'>()),
  hash: text,
  hint: text,
  createdAt: time,
  createdBy: optional(text),
  usedAt: optional(time),
  revokedAt: optional(time),
})
export type TokenRow = Row<typeof TokenEntity>

export const SessionEntity = table('sessions', {
  hash: key(text),
  tokenId: bigint,
  createdAt: time,
  until: time,
})
export type SessionRow = Row<typeof SessionEntity>

export const AuditEntity = table('audit', {
  id: identity,
  at: time,
  who: text,
  address: optional(text),
  action: text,
  target: text,
  data: json<Record<string, unknown>>(),
})
export type AuditRow = Row<typeof AuditEntity>
