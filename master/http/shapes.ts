// Every shape the HTTP API answers with: the types of the server, of the OpenAPI document and of the web page.
// Times are ISO 8601 UTC, ids are text.
import {z} from 'zod'
import {spoolShape} from '../../worker/protocol/messages.ts'
import {propertyShape, sourceStampShape} from '../../worker/protocol/plan.ts'
import {resultShape} from '../../worker/protocol/results.ts'

const id = z.string()
const time = z.iso.datetime()

export const list = <S extends z.ZodType>(item: S) =>
  z.object({items: z.array(item), next: z.string().nullable()})

/** Why something waits. `code` is for programs (`no-worker`, `busy`, `paused`, `label`, `engine`, `not-before` ...), `text` for people. */
export const waitShape = z.object({code: z.string(), text: z.string()})

export const originShape = z.enum([
  'scheduler',
  'force',
  'forceTrusted',
  'rebuild',
  'trigger',
  'api',
  'promotion',
])

export const buildShape = z.object({
  id,
  builder: z.string(),
  number: z.int(),
  state: z.enum(['pending', 'running', 'finished']),
  result: resultShape.nullable(),
  summary: z.string(),
  worker: z.string().nullable(),
  /** The effective attempt's fencing number. */
  attempt: z.string().nullable(),
  /** How many attempts were lost with their worker before it. */
  attemptsLost: z.int(),
  /** Where it ran: `host`, or `container (docker 20.10.24, image hello)`. */
  executor: z.string().nullable(),
  sourceStamps: z.array(sourceStampShape),
  /** The first source stamp's: the name of a git source, or an address. */
  repository: z.string().nullable(),
  branch: z.string().nullable(),
  gotRevision: z.string().nullable().describe('The commit that was checked out: what was tested.'),
  origin: originShape.describe(
    'Who asked for it: only what schedulers asked for is sure to be of its branch.',
  ),
  reason: z.string(),
  properties: z.record(z.string(), propertyShape),
  cancelled: z.object({by: z.string(), reason: z.string(), at: time}).nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  request: id,
  buildset: id,
})
export type Build = z.infer<typeof buildShape>

export const logShape = z.object({
  id,
  name: z.string(),
  lines: z.int(),
  bytes: z.int(),
  complete: z.boolean(),
})
export type Log = z.infer<typeof logShape>

export const stepShape = z.object({
  number: z.int(),
  name: z.string(),
  kind: z.string(),
  state: z.enum(['pending', 'running', 'finished']),
  result: resultShape.nullable(),
  summary: z.string(),
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  attempts: z.int(),
  warnings: z.int(),
  tests: z
    .object({
      passed: z.int(),
      failed: z.int(),
      skipped: z.int(),
      failures: z.array(z.object({name: z.string(), text: z.string()})),
    })
    .nullable(),
  logs: z.array(logShape),
})
export type Step = z.infer<typeof stepShape>

export const builderShape = z.object({
  name: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  state: z.enum(['idle', 'building', 'paused', 'waiting']),
  /** What it needs of a worker, in words: `arch=amd64`, `container image hello`, `host`. */
  needs: z.array(z.string()),
  pending: z.int(),
  running: z.int(),
  lastBuild: buildShape.nullable(),
})
export type Builder = z.infer<typeof builderShape>

export const requestShape = z.object({
  id,
  buildset: id,
  builder: z.string(),
  priority: z.int(),
  state: z.enum(['pending', 'claimed', 'finished']),
  submittedAt: time,
  result: resultShape.nullable(),
  reason: z.string(),
  sourceStamps: z.array(sourceStampShape),
  waiting: z.array(waitShape),
  /** Its builds, oldest first. */
  builds: z.array(id),
})
export type Request = z.infer<typeof requestShape>

export const buildsetShape = z.object({
  id,
  reason: z.string(),
  origin: originShape,
  scheduler: z.string().nullable(),
  complete: z.boolean(),
  result: resultShape.nullable(),
  submittedAt: time,
  sourceStamps: z.array(sourceStampShape),
  properties: z.record(z.string(), propertyShape),
  requests: z.array(
    z.object({
      id,
      builder: z.string(),
      state: z.string(),
      result: resultShape.nullable(),
      builds: z.array(id),
    }),
  ),
})
export type Buildset = z.infer<typeof buildsetShape>

/** What a submission answers, beside `Location`: where to see what becomes of it. */
export const submittedShape = z.object({
  buildset: id,
  requests: z.array(z.object({id, builder: z.string()})),
  statusUrl: z.string(),
})
export type Submitted = z.infer<typeof submittedShape>

export const changeShape = z.object({
  id,
  source: z.string(),
  repository: z.string(),
  branch: z.string(),
  revision: z.string(),
  author: z.string(),
  message: z.string(),
  files: z.array(z.string()),
  /** How many more files it touches than are listed. */
  filesMore: z.int(),
  link: z.string().nullable(),
  committedAt: time.nullable(),
  recordedAt: time,
})
export type Change = z.infer<typeof changeShape>

export const workerShape = z.object({
  name: z.string(),
  state: z.enum(['connected', 'paused', 'draining', 'quarantined', 'lost', 'offline']),
  labels: z.record(z.string(), z.string()),
  maxBuilds: z.int(),
  running: z.int(),
  /** Ids of the builds it runs. */
  builds: z.array(id),
  engine: z.string().nullable(),
  skewMs: z.number(),
  freeBytes: z.number().nullable(),
  /**
   * Output that waits on its disk for a master, and how much may. `policy` says what becomes of more: `truncate` (the middle
   * is cut out) or `block` (the step is held); for how many builds that happens now, and the bytes cut since it was started.
   * null for a worker that does not tell.
   */
  spool: spoolShape.nullable(),
  connectedAt: time.nullable(),
  lastSeenAt: time.nullable(),
  version: z.string().nullable(),
  /** The master it is connected to. */
  master: z.string().nullable(),
  /** Who paused or drains it, why and since when; or why it gets no work. */
  reason: z.string().nullable(),
})
export type Worker = z.infer<typeof workerShape>

export const masterShape = z.object({
  id: z.string(),
  address: z.string().nullable(),
  version: z.string().nullable(),
  /** `silent` after 20 seconds without a sign of life. */
  state: z.enum(['alive', 'silent']),
  /** How many workers are connected to it. */
  workers: z.int(),
  /** Names the configuration that it works by; living masters should all have the same. */
  config: z.string().nullable(),
  startedAt: time,
  lastSeenAt: time,
})
export type MasterView = z.infer<typeof masterShape>

export const parameterShape = z.object({
  name: z.string(),
  kind: z.enum(['string', 'text', 'integer', 'boolean', 'choice']),
  label: z.string(),
  required: z.boolean(),
  default: propertyShape,
  choices: z.array(z.string()),
  pattern: z.string().nullable(),
  min: z.number().nullable(),
  max: z.number().nullable(),
})

/** A change that a scheduler holds, and why: its branch is `red`, or not quiet yet (`unstable`). */
export const heldShape = z.object({
  change: id,
  scheduler: z.string(),
  branch: z.string(),
  revision: z.string(),
  subject: z.string(),
  since: time,
  code: z.enum(['red', 'unstable']),
  text: z.string(),
})
export type Held = z.infer<typeof heldShape>

export const schedulerShape = z.object({
  name: z.string(),
  kind: z.enum(['singleBranch', 'nightly', 'force']),
  builders: z.array(z.string()),
  /** What it does, in a sentence. */
  text: z.string(),
  dueAt: time.nullable(),
  /** For `force`: what its form asks. */
  label: z.string().nullable(),
  branch: z.string().nullable(),
  parameters: z.array(parameterShape),
  /** The changes that it holds now, oldest first. */
  held: z.array(heldShape),
})
export type Scheduler = z.infer<typeof schedulerShape>

/** What somebody said to a promotion rule. */
export const controlShape = z.object({
  id,
  kind: z.enum(['hold', 'approval', 'denial', 'allowance', 'override']),
  rule: z.string(),
  revision: z.string().nullable(),
  /** A denial of that commit alone, not of those that hold it. */
  exact: z.boolean(),
  /** The promotion that a hold was set because of. */
  promotion: id.nullable(),
  reason: z.string(),
  by: z.string(),
  role: z.enum(['viewer', 'developer', 'operator', 'admin']),
  madeAt: time,
  until: time.nullable(),
  endedAt: time.nullable(),
  endedBy: z.string().nullable(),
  endedReason: z.string().nullable(),
})
export type PromotionControl = z.infer<typeof controlShape>

export const promotionShape = z.object({
  name: z.string(),
  kind: z.enum(['fastForward', 'merge', 'gate']),
  source: z.string(),
  from: z.string(),
  to: z.string(),
  fromTip: z.string().nullable(),
  toTip: z.string().nullable(),
  candidate: z.string().nullable(),
  /** What would be promoted if nothing held it. */
  would: z.string().nullable(),
  verdict: z.enum(['promote', 'wait', 'refuse', 'current']).nullable(),
  reasons: z.array(z.string()),
  lag: z.object({commits: z.int().nullable(), seconds: z.number().nullable()}),
  lastAction: z.object({id, at: time, revision: z.string(), landed: z.string().nullable()}).nullable(),
  checkedAt: time.nullable(),
  /** What people have said to it that is in force. */
  controls: z.array(controlShape),
  /** Who must approve first; null for nobody. */
  approvals: z.object({count: z.int(), role: z.enum(['developer', 'operator', 'admin'])}).nullable(),
  /** When its freeze is over; null when none holds, or it is lifted. */
  frozenUntil: time.nullable(),
})
export type Promotion = z.infer<typeof promotionShape>

export const decisionShape = z.object({
  id,
  rule: z.string(),
  kind: z.enum(['fastForward', 'merge', 'gate', 'rollback']),
  from: z.string(),
  to: z.string(),
  fromTip: z.string().nullable(),
  toTip: z.string().nullable(),
  candidate: z.string().nullable(),
  landed: z.string().nullable(),
  /** What would have been promoted if nothing had held it. */
  would: z.string().nullable(),
  verdict: z.enum(['promote', 'wait', 'refuse', 'current']),
  reasons: z.array(z.string()),
  evidence: z.json(),
  state: z.enum(['decided', 'pushing', 'done', 'raced', 'failed', 'conflict']),
  error: z.string().nullable(),
  actor: z.string(),
  decidedAt: time,
  settledAt: time.nullable(),
})
export type Decision = z.infer<typeof decisionShape>

/** A decision with what it was made on. */
export const decisionWithBasisShape = decisionShape.extend({
  /** `{rule, facts, decision}`; null for one that was made before these were kept, and for a rollback. */
  basis: z.json(),
  /** Whether the same facts give the same decision; null without a basis. */
  isReplayed: z.boolean().nullable(),
})

/** Why, at one look, the newer commits were not promoted. */
export const excusesShape = z.object({
  decision: id,
  decidedAt: time,
  /** When the same was found last. */
  checkedAt: time,
  verdict: z.enum(['promote', 'wait', 'refuse', 'current']),
  candidate: z.string().nullable(),
  reasons: z.array(z.string()),
  excuses: z.array(z.object({revision: z.string(), because: z.string()})),
})

const promotionMarkShape = z.object({
  builder: z.string(),
  state: z.enum([
    'success',
    'warnings',
    'failure',
    'running',
    'waiting',
    'retry',
    'exception',
    'cancelled',
    'skipped',
    'none',
  ]),
  build: id.nullable(),
  number: z.int().nullable(),
})

/** The commits between a rule's branches, as they were when it was judged last. */
export const promotionPictureShape = z.object({
  rule: z.string(),
  decision: id.nullable(),
  /** The builders that must be green. */
  builders: z.array(z.string()),
  /** Newest first: those passed over, and the one that was taken or would be. */
  commits: z.array(
    z.object({
      revision: z.string(),
      subject: z.string().nullable(),
      author: z.string().nullable(),
      at: time.nullable(),
      link: z.string().nullable(),
      marks: z.array(promotionMarkShape),
      because: z.string().nullable(),
      chosen: z.boolean(),
    }),
  ),
  /** The merge under test. */
  gate: z.object({commit: z.string(), candidate: z.string(), marks: z.array(promotionMarkShape)}).nullable(),
})
export type PromotionPicture = z.infer<typeof promotionPictureShape>

/** What a rollback would do. */
export const rollbackPlanShape = z.object({
  rule: z.string(),
  branch: z.string(),
  from: z.string(),
  to: z.string(),
  promotion: id,
  commits: z.int(),
  leaving: z.array(z.object({revision: z.string(), subject: z.string().nullable()})),
  holds: z.array(z.string()),
  warnings: z.array(z.string()),
})
export type RollbackPlan = z.infer<typeof rollbackPlanShape>

export const rolledBackShape = z.object({
  promotion: id,
  state: z.enum(['done', 'raced', 'failed', 'pushing']),
  error: z.string().nullable(),
})
export type RolledBack = z.infer<typeof rolledBackShape>

/** What a reporter was to tell. `recipients` are those of a mail; `error` is the last thing the other side said. */
export const reportShape = z.object({
  id,
  reporter: z.string(),
  event: z.string(),
  title: z.string(),
  link: z.string().nullable(),
  at: time.nullable(),
  recipients: z.array(z.string()),
  state: z.enum(['waiting', 'sent', 'givenUp']),
  tries: z.int(),
  error: z.string().nullable(),
  nextAt: time.nullable(),
  sentAt: time.nullable(),
  givenUpAt: time.nullable(),
})
export type Report = z.infer<typeof reportShape>

export const artifactShape = z.object({
  id,
  build: id,
  step: z.int(),
  name: z.string(),
  path: z.string(),
  bytes: z.int(),
  sha256: z.string(),
})
export type Artifact = z.infer<typeof artifactShape>

export const tokenShape = z.object({
  id,
  kind: z.enum(['user', 'worker']),
  name: z.string(),
  role: z.enum(['viewer', 'developer', 'operator', 'admin']).nullable(),
  /** The beginning of the token, to tell tokens apart. */
  hint: z.string(),
  createdAt: time,
  createdBy: z.string().nullable(),
  usedAt: time.nullable(),
  revokedAt: time.nullable(),
})
export type Token = z.infer<typeof tokenShape>

/** Who is asking. Without a token: role null, or viewer where reading is open. */
export const whoShape = z.object({
  name: z.string().nullable(),
  role: z.enum(['viewer', 'developer', 'operator', 'admin']).nullable(),
  readOpen: z.boolean(),
  title: z.string(),
  version: z.string(),
})
export type Who = z.infer<typeof whoShape>

export const sourceShape = z.object({
  name: z.string(),
  kind: z.string(),
  polledAt: time.nullable(),
  nextPollAt: time.nullable(),
  failures: z.int(),
  error: z.string().nullable(),
  branches: z.record(z.string(), z.string()),
})
export type Source = z.infer<typeof sourceShape>

/** One window of the waterfall, all the page draws, in one answer. `cursor` is where to resume `/events` from. */
export const waterfallShape = z.object({
  cursor: z.string(),
  now: time,
  from: time,
  to: time,
  builders: z.array(
    z.object({
      name: z.string(),
      tags: z.array(z.string()),
      state: builderShape.shape.state,
      pending: z.int(),
      /** Seconds its newest green builds took in the middle; for an estimate of the running one's end. */
      usualSeconds: z.number().nullable(),
      lastResult: resultShape.nullable(),
    }),
  ),
  builds: z.array(
    buildShape
      .pick({
        id: true,
        builder: true,
        number: true,
        state: true,
        result: true,
        summary: true,
        worker: true,
        reason: true,
        gotRevision: true,
        startedAt: true,
        finishedAt: true,
      })
      .extend({
        branch: z.string().nullable(),
        revision: z.string().nullable(),
        createdAt: time,
        changes: z.array(id),
        steps: z.array(
          stepShape
            .pick({
              number: true,
              name: true,
              state: true,
              result: true,
              summary: true,
              startedAt: true,
              finishedAt: true,
            })
            .extend({log: id.nullable()}),
        ),
      }),
  ),
  changes: z.array(
    changeShape
      .pick({
        id: true,
        source: true,
        branch: true,
        revision: true,
        author: true,
        link: true,
        recordedAt: true,
      })
      .extend({subject: z.string()}),
  ),
  promotions: z.array(
    z.object({id, rule: z.string(), from: z.string(), to: z.string(), revision: z.string(), at: time}),
  ),
  /** What each rule says now, so that the page can tell why stable is not newer. */
  rules: z.array(promotionShape.pick({name: true, from: true, to: true, verdict: true, reasons: true})),
  pending: z.array(
    requestShape.pick({
      id: true,
      builder: true,
      submittedAt: true,
      reason: true,
      waiting: true,
      sourceStamps: true,
    }),
  ),
  /** Changes that are not built yet, and why. */
  held: z.array(heldShape),
  /** True when older builds of the window were left out (at most 2,000 are given). */
  more: z.boolean(),
})
export type Waterfall = z.infer<typeof waterfallShape>

export const problemShape = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  problems: z.array(z.object({path: z.string(), message: z.string()})).optional(),
})

/** `GET /logs/ID/follow?from=LINE`: Server-Sent Events named `lines`, each with this; the last one is complete. */
export const followShape = z.object({
  /** The number, from 0, of the first line in `text`. */
  from: z.int(),
  /** Whole lines, and last perhaps the beginning of one (then the next event continues it). */
  text: z.string(),
  complete: z.boolean(),
})
