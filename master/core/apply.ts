// What a run of journal entries changes: the entries of one attempt, in order, folded into rows to write and events
// to tell. Entries already applied are passed over, so that sending again changes nothing.
import type {Entry} from '../../worker/protocol/journal.ts'
import type {Property} from '../../worker/protocol/plan.ts'
import type {Result} from '../../worker/protocol/results.ts'

/** An attempt as the database has it. */
export interface AttemptState {
  readonly attempt: string
  readonly build: string
  readonly builder: string
  readonly number: number
  readonly request: string
  readonly buildset: string
  readonly worker: string
  /** The number of the last entry applied. */
  readonly applied: number
  readonly steps: readonly {readonly name: string; readonly kind: string}[]
  /** How far the worker's clock is ahead, in milliseconds. */
  readonly skewMs: number
}

export interface Numbered {
  readonly seq: number
  readonly entry: Entry
  readonly body: Uint8Array | null
}

export interface StepChange {
  readonly number: number
  readonly name: string
  readonly kind: string
  state: 'running' | 'finished'
  startedAt: number | null
  finishedAt: number | null
  result: Result | null
  summary: string | null
  tries: number | null
  warnings: number | null
  tests: object | null
}

export interface LogChange {
  readonly step: number
  readonly name: string
  readonly segments: {bytes: number; lines: number; crc32: number; body: Uint8Array}[]
  ended: {bytes: number; lines: number; crc32: number} | null
}

export interface ArtifactChange {
  readonly step: number
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

export interface Changes {
  readonly state: AttemptState
  /** The number of the last entry folded in. */
  applied: number
  startedAt: number | null
  executor: string | null
  readonly steps: Map<number, StepChange>
  readonly logs: Map<string, LogChange>
  readonly properties: Record<string, Property>
  readonly artifacts: ArtifactChange[]
  ended: {at: number; result: Result; summary: string} | null
  readonly events: {type: string; data: object}[]
}

/** An entry that does not follow the last one applied: something between was lost, so it must be sent again. */
export class JournalGap extends Error {
  override readonly name = 'JournalGap'
}

/** Folds entries, in order, into what they change. Throws a JournalGap when one is missing. */
export function fold(state: AttemptState, entries: readonly Numbered[]): Changes {
  const changes: Changes = {
    state,
    applied: state.applied,
    startedAt: null,
    executor: null,
    steps: new Map(),
    logs: new Map(),
    properties: {},
    artifacts: [],
    ended: null,
    events: [],
  }
  for (const numbered of entries) {
    if (numbered.seq <= changes.applied) continue
    if (numbered.seq !== changes.applied + 1)
      throw new JournalGap(
        `entry ${String(numbered.seq)} of attempt ${state.attempt} came after ${String(changes.applied)}`,
      )
    foldEntry(changes, numbered)
    changes.applied = numbered.seq
  }
  return changes
}

function foldEntry(changes: Changes, {entry, body}: Numbered): void {
  const {state} = changes
  const at = entry.at - state.skewMs
  switch (entry.entry) {
    case 'buildStarted':
      changes.startedAt = at
      changes.executor = entry.executor
      changes.events.push({
        type: 'build.started',
        data: {build: state.build, builder: state.builder, number: state.number, worker: state.worker},
      })
      return
    case 'stepStarted': {
      const step = stepChange(changes, entry.step)
      step.state = 'running'
      step.startedAt ??= at
      step.tries = entry.try
      if (entry.try === 1)
        changes.events.push({
          type: 'step.started',
          data: {build: state.build, step: String(entry.step), name: step.name},
        })
      return
    }
    case 'segment':
      logChange(changes, entry.step, entry.log).segments.push({
        bytes: entry.bytes,
        lines: entry.lines,
        crc32: entry.crc32,
        body: body ?? new Uint8Array(),
      })
      return
    case 'logEnded':
      logChange(changes, entry.step, entry.log).ended = entry
      return
    case 'propertySet':
      changes.properties[entry.name] = entry.value
      return
    case 'testsCounted': {
      const {passed, failed, skipped, failures} = entry
      stepChange(changes, entry.step).tests = {passed, failed, skipped, failures}
      return
    }
    case 'artifactKept': {
      const {step, name, path, bytes, sha256} = entry
      changes.artifacts.push({step, name, path, bytes, sha256})
      return
    }
    case 'stepEnded': {
      const step = stepChange(changes, entry.step)
      step.summary = entry.summary
      step.warnings = entry.warnings
      if (!entry.final) return
      step.state = 'finished'
      step.result = entry.result
      step.finishedAt = at
      changes.events.push({
        type: 'step.finished',
        data: {build: state.build, step: String(entry.step), name: step.name, result: entry.result},
      })
      return
    }
    case 'buildEnded':
      changes.ended = {at, result: entry.result, summary: entry.summary}
      return
  }
}

function stepChange(changes: Changes, number: number): StepChange {
  const known = changes.steps.get(number)
  if (known) return known
  const planned = changes.state.steps[number]
  const fresh: StepChange = {
    number,
    name: planned?.name ?? `step ${String(number)}`,
    kind: planned?.kind ?? '',
    state: 'running',
    startedAt: null,
    finishedAt: null,
    result: null,
    summary: null,
    tries: null,
    warnings: null,
    tests: null,
  }
  changes.steps.set(number, fresh)
  return fresh
}

function logChange(changes: Changes, step: number, name: string): LogChange {
  const key = `${String(step)}/${name}`
  const known = changes.logs.get(key)
  if (known) return known
  const fresh: LogChange = {step, name, segments: [], ended: null}
  changes.logs.set(key, fresh)
  return fresh
}
