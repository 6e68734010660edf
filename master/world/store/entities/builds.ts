// The tables of the work: what was asked for, what was built, by whom, and what it left.
import type {Plan, Property, SourceStamp} from '../../../../worker/protocol/plan.ts'
import type {Result} from '../../../../worker/protocol/results.ts'
import {
  bigint,
  bigints,
  boolean,
  double,
  identity,
  integer,
  json,
  key,
  optional,
  table,
  text,
  time,
  word,
  type Row,
} from './columns.ts'

export const BuildsetEntity = table('buildsets', {
  id: identity,
  key: optional(text),
  reason: text,
  origin: text,
  scheduler: optional(text),
  submittedBy: optional(text),
  sourceStamps: json<SourceStamp[]>(),
  properties: json<Record<string, Property>>(),
  changeIds: bigints,
  submittedAt: time,
  completedAt: optional(time),
  result: optional(word<Result>()),
})
export type BuildsetRow = Row<typeof BuildsetEntity>

export const RequestEntity = table('requests', {
  id: identity,
  buildsetId: bigint,
  builder: text,
  priority: integer,
  state: word<'pending' | 'claimed' | 'finished'>(),
  submittedAt: time,
  notBefore: optional(time),
  finishedAt: optional(time),
  result: optional(word<Result>()),
  waiting: json<unknown>(),
})
export type RequestRow = Row<typeof RequestEntity>

export const BuilderEntity = table('builders', {
  name: key(text),
  lastNumber: integer,
  paused: optional(json<unknown>()),
})
export type BuilderRow = Row<typeof BuilderEntity>

export const BuildEntity = table('builds', {
  id: identity,
  requestId: bigint,
  buildsetId: bigint,
  builder: text,
  number: integer,
  state: word<'pending' | 'running' | 'finished'>(),
  result: optional(word<Result>()),
  summary: text,
  worker: optional(text),
  attempt: optional(bigint),
  attemptsLost: integer,
  executor: optional(text),
  repository: optional(text),
  branch: optional(text),
  revision: optional(text),
  gotRevision: optional(text),
  sourceStamps: json<SourceStamp[]>(),
  origin: text,
  reason: text,
  properties: json<Record<string, Property>>(),
  cancel: optional(json<unknown>()),
  configVersion: optional(bigint),
  createdAt: time,
  startedAt: optional(time),
  finishedAt: optional(time),
})
export type BuildRow = Row<typeof BuildEntity>

export const AttemptEntity = table('attempts', {
  id: identity,
  buildId: bigint,
  worker: text,
  state: word<'offered' | 'running' | 'finished' | 'lost' | 'declined'>(),
  applied: integer,
  plan: json<Plan>(),
  offeredAt: time,
  acceptBy: time,
  acceptedAt: optional(time),
  endedAt: optional(time),
  refused: integer,
})
export type AttemptRow = Row<typeof AttemptEntity>

export const StepEntity = table('steps', {
  buildId: key(bigint),
  attempt: key(bigint),
  number: key(integer),
  name: text,
  kind: text,
  state: word<'pending' | 'running' | 'finished'>(),
  result: optional(word<Result>()),
  summary: text,
  tries: integer,
  warnings: integer,
  tests: optional(json<unknown>()),
  startedAt: optional(time),
  finishedAt: optional(time),
})
export type StepRow = Row<typeof StepEntity>

export const LogEntity = table('logs', {
  id: identity,
  buildId: bigint,
  attempt: bigint,
  step: integer,
  name: text,
  bytes: bigint,
  lines: bigint,
  segments: integer,
  storedBytes: bigint,
  crc32: bigint,
  complete: boolean,
  deleted: boolean,
})
export type LogRow = Row<typeof LogEntity>

export const ArtifactEntity = table('artifacts', {
  id: identity,
  buildId: bigint,
  attempt: bigint,
  step: integer,
  name: text,
  path: text,
  bytes: bigint,
  sha256: text,
  at: time,
  deleted: boolean,
})
export type ArtifactRow = Row<typeof ArtifactEntity>

export const WorkerEntity = table('workers', {
  name: key(text),
  labels: json<Record<string, string>>(),
  maxBuilds: integer,
  engine: optional(text),
  version: optional(text),
  master: optional(text),
  session: bigint,
  connected: boolean,
  lost: boolean,
  paused: optional(json<unknown>()),
  draining: optional(json<unknown>()),
  skewMs: double,
  freeBytes: optional(bigint),
  minFreeBytes: optional(bigint),
  connectedAt: optional(time),
  seenAt: optional(time),
  declined: integer,
  instance: optional(text),
  knockedAt: optional(time),
  answeredAt: optional(time),
  failures: integer,
  quarantine: optional(json<unknown>()),
  spool: optional(json<unknown>()),
  hindered: optional(text),
  refused: optional(json<unknown>()),
})
export type WorkerRow = Row<typeof WorkerEntity>
