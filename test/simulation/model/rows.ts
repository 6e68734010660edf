// The rows of the model's tables: the database's, with what the ledger reads and writes of them.
import type {Hold, Quarantine, Wait} from '../../../master/core/assign.ts'
import type {SpoolState} from '../../../worker/protocol/messages.ts'
import type {Plan, Property, SourceStamp} from '../../../worker/protocol/plan.ts'

export interface BuildsetRow {
  readonly id: string
  readonly reason: string
  readonly origin: string
  readonly scheduler: string | null
  readonly sourceStamps: SourceStamp[]
  readonly properties: Record<string, Property>
  readonly completedAt: number | null
  readonly result: string | null
}

export interface RequestRow {
  readonly id: string
  readonly buildset: string
  readonly builder: string
  readonly priority: number
  readonly state: 'pending' | 'claimed' | 'finished'
  readonly submittedAt: number
  readonly notBefore: number | null
  readonly finishedAt: number | null
  readonly result: string | null
  readonly waiting: readonly Wait[]
}

export interface BuilderRow {
  /** Its name. */
  readonly id: string
  readonly lastNumber: number
  readonly paused: Hold | null
}

export interface BuildRow {
  readonly id: string
  readonly request: string
  readonly buildset: string
  readonly builder: string
  readonly number: number
  readonly state: 'pending' | 'running' | 'finished'
  readonly result: string | null
  readonly summary: string
  readonly worker: string | null
  readonly attempt: string | null
  readonly attemptsLost: number
  readonly executor: string | null
  readonly properties: Record<string, Property>
  readonly cancel: {readonly by: string; readonly reason: string} | null
  readonly startedAt: number | null
  readonly finishedAt: number | null
}

export interface AttemptRow {
  readonly id: string
  readonly build: string
  readonly worker: string
  readonly state: 'offered' | 'running' | 'finished' | 'lost' | 'declined'
  readonly applied: number
  readonly plan: Plan
  readonly acceptBy: number
  readonly acceptedAt: number | null
  readonly endedAt: number | null
  readonly refused: number
}

export interface StepRow {
  readonly id: string
  readonly build: string
  readonly attempt: string
  readonly number: number
  readonly name: string
  readonly kind: string
  readonly state: 'running' | 'finished'
  readonly result: string | null
  readonly summary: string
  readonly tries: number
  readonly warnings: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
}

export interface LogRow {
  /** `attempt/step/name`, by which it is unique. */
  readonly id: string
  /** The number it has in the database. */
  readonly number: string
  readonly build: string
  readonly attempt: string
  readonly step: number
  readonly name: string
  readonly bytes: number
  readonly lines: number
  readonly segments: number
  readonly storedBytes: number
  readonly crc32: number
  readonly complete: boolean
}

export interface ArtifactRow {
  readonly id: string
  readonly build: string
  readonly attempt: string
  readonly step: number
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

export interface WorkerRow {
  /** Its name. */
  readonly id: string
  readonly labels: Record<string, string>
  readonly maxBuilds: number
  readonly engine: string | null
  readonly version: string | null
  readonly master: string | null
  readonly session: number
  readonly connected: boolean
  readonly lost: boolean
  readonly paused: Hold | null
  readonly draining: Hold | null
  readonly skewMs: number
  readonly freeBytes: number | null
  readonly minFreeBytes: number | null
  readonly spool: SpoolState | null
  readonly hindered: string | null
  readonly seenAt: number | null
  readonly declined: number
  readonly quarantine: Quarantine | null
  readonly failures: number
  readonly instance: string | null
  readonly knockedAt: number | null
  readonly answeredAt: number | null
}

export interface MasterRow {
  /** Its name. */
  readonly id: string
  readonly seenAt: number
}

export interface EventRow {
  readonly id: string
  readonly type: string
  readonly data: object
}

export interface Schema {
  buildsets: BuildsetRow
  requests: RequestRow
  builders: BuilderRow
  builds: BuildRow
  attempts: AttemptRow
  steps: StepRow
  logs: LogRow
  artifacts: ArtifactRow
  workers: WorkerRow
  masters: MasterRow
  events: EventRow
}
