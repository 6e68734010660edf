// The tables of what comes from repositories and goes back to them.
import {
  bigint,
  boolean,
  double,
  identity,
  integer,
  json,
  key,
  optional,
  table,
  text,
  texts,
  time,
  word,
  type Row,
} from './columns.ts'

export const RepositoryEntity = table('repositories', {
  source: key(text),
  url: text,
  refs: json<Record<string, string>>(),
  watched: texts,
  polledAt: optional(time),
  nextPollAt: time,
  failures: integer,
  error: optional(text),
})
export type RepositoryRow = Row<typeof RepositoryEntity>

export const ChangeEntity = table('changes', {
  id: identity,
  source: text,
  repository: text,
  branch: text,
  revision: text,
  parents: texts,
  author: text,
  message: text,
  files: texts,
  filesMore: integer,
  link: optional(text),
  committedAt: optional(time),
  recordedAt: time,
})
export type ChangeRow = Row<typeof ChangeEntity>

export const HookDeliveryEntity = table('hook_deliveries', {
  source: key(text),
  delivery: key(text),
  at: time,
  answer: json<unknown>(),
})
export type HookDeliveryRow = Row<typeof HookDeliveryEntity>

export const PromotionEntity = table('promotions', {
  id: identity,
  rule: text,
  kind: text,
  source: text,
  fromBranch: text,
  toBranch: text,
  fromTip: optional(text),
  toTip: optional(text),
  candidate: optional(text),
  landed: optional(text),
  verdict: word<'promote' | 'wait' | 'refuse' | 'current'>(),
  reasons: json<unknown>(),
  evidence: json<unknown>(),
  state: word<'decided' | 'pushing' | 'done' | 'raced' | 'failed' | 'conflict'>(),
  error: optional(text),
  actor: text,
  lagCommits: optional(integer),
  lagSeconds: optional(double),
  decidedAt: time,
  checkedAt: time,
  settledAt: optional(time),
  basis: optional(json<unknown>()),
  would: optional(text),
  resolvedAt: optional(time),
})
export type PromotionRow = Row<typeof PromotionEntity>

export const PromotionControlEntity = table('promotion_controls', {
  id: identity,
  kind: word<'hold' | 'approval' | 'denial' | 'allowance' | 'override'>(),
  rule: text,
  revision: optional(text),
  exact: boolean,
  promotion: optional(bigint),
  reason: text,
  madeBy: text,
  role: text,
  madeAt: time,
  until: optional(time),
  endedAt: optional(time),
  endedBy: optional(text),
  endedReason: optional(text),
})
export type PromotionControlRow = Row<typeof PromotionControlEntity>

export const PromotionGateEntity = table('promotion_gates', {
  id: identity,
  rule: text,
  candidate: text,
  base: text,
  commit: text,
  tree: text,
  sameTree: boolean,
  madeWith: text,
  madeAt: time,
})
export type PromotionGateRow = Row<typeof PromotionGateEntity>
