// The tables of the river itself: who runs, what happened, who holds what, what is due and what is to be sent.
import type {Config} from '../../../../config/config.ts'
import {bigint, identity, integer, json, key, optional, table, text, time, type Row} from './columns.ts'

export const MasterEntity = table('masters', {
  id: key(text),
  startedAt: time,
  seenAt: time,
  address: optional(text),
  version: optional(text),
  configHash: optional(text),
})
export type MasterRow = Row<typeof MasterEntity>

export const EventEntity = table('events', {
  id: identity,
  at: time,
  type: text,
  data: json<Record<string, unknown>>(),
})
export type EventRow = Row<typeof EventEntity>

export const CursorEntity = table('cursors', {
  reader: key(text),
  id: bigint,
})
export type CursorRow = Row<typeof CursorEntity>

export const LeaseEntity = table('leases', {
  name: key(text),
  holder: text,
  fence: bigint,
  until: time,
})
export type LeaseRow = Row<typeof LeaseEntity>

export const ConfigVersionEntity = table('config_versions', {
  id: identity,
  hash: text,
  loadedAt: time,
  config: json<Config>(),
})
export type ConfigVersionRow = Row<typeof ConfigVersionEntity>

export const SchedulerEntity = table('schedulers', {
  name: key(text),
  dueAt: optional(time),
  fingerprint: text,
  lastFiredAt: optional(time),
  lastRevision: optional(text),
})
export type SchedulerRow = Row<typeof SchedulerEntity>

export const SchedulerChangeEntity = table('scheduler_changes', {
  scheduler: key(text),
  changeId: key(bigint),
  branch: text,
  heldAt: time,
})
export type SchedulerChangeRow = Row<typeof SchedulerChangeEntity>

export const OutboxEntity = table('outbox', {
  id: identity,
  reporter: text,
  eventId: bigint,
  payload: json<unknown>(),
  tries: integer,
  nextAt: time,
  sentAt: optional(time),
  givenUpAt: optional(time),
  error: optional(text),
})
export type OutboxRow = Row<typeof OutboxEntity>
