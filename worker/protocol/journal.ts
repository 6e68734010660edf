// The journal of an attempt: all that happened, numbered from 1, in order, on the worker's disk before it is sent.
// The master applies entries in order and acknowledges what it has applied; the worker then forgets them. Times are
// milliseconds since 1970 by the worker's clock; the master corrects them by the skew it measures.
import {z} from 'zod'
import {propertyShape} from './plan.ts'
import {outcomeShape, resultShape} from './results.ts'

const step = z.int().min(0)

export const entryShape = z.discriminatedUnion('entry', [
  /** The sequence begins. `executor` says where: `host`, or `container` with the engine's name and version. */
  z.object({entry: z.literal('buildStarted'), at: z.number(), executor: z.string()}),
  /** A step (index into the plan) begins its try number `try`, counted from 1. */
  z.object({entry: z.literal('stepStarted'), at: z.number(), step, try: z.int().min(1)}),
  /**
   * A piece of a log. The frame's body is these bytes as raw deflate ended by a full flush; `offset`, `bytes` and
   * `lines` (line feeds) count the text before compression, `crc32` is over it. A log's first segment creates it.
   */
  z.object({
    entry: z.literal('segment'),
    at: z.number(),
    step,
    log: z.string().max(100),
    offset: z.int().min(0),
    bytes: z.int().min(1),
    lines: z.int().min(0),
    crc32: z.int().min(0),
  }),
  /** The log is complete: the totals, and the CRC-32 of all its bytes. */
  z.object({
    entry: z.literal('logEnded'),
    at: z.number(),
    step,
    log: z.string().max(100),
    bytes: z.int().min(0),
    lines: z.int().min(0),
    crc32: z.int().min(0),
  }),
  z.object({entry: z.literal('propertySet'), at: z.number(), step, name: z.string(), value: propertyShape}),
  /** Test cases counted from reports, with the first failures by name. */
  z.object({
    entry: z.literal('testsCounted'),
    at: z.number(),
    step,
    passed: z.int().min(0),
    failed: z.int().min(0),
    skipped: z.int().min(0),
    failures: z.array(z.object({name: z.string(), text: z.string()})).max(100),
  }),
  /** The bytes were sent before, by `PUT /worker/artifacts/SHA256`. `path` is for people: it is never used as a path. */
  z.object({
    entry: z.literal('artifactKept'),
    at: z.number(),
    step,
    name: z.string(),
    path: z.string(),
    bytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  /** One try of a step is over; `final` when no other try follows. `summary` is one line for people. */
  z.object({
    entry: z.literal('stepEnded'),
    at: z.number(),
    step,
    try: z.int().min(1),
    outcome: outcomeShape.nullable(),
    result: resultShape,
    summary: z.string(),
    warnings: z.int().min(0),
    final: z.boolean(),
  }),
  /** The last entry. Nothing of the attempt lives on the worker any more: no process, no container. */
  z.object({entry: z.literal('buildEnded'), at: z.number(), result: resultShape, summary: z.string()}),
])
export type Entry = z.infer<typeof entryShape>
export type EntryOf<K extends Entry['entry']> = Extract<Entry, {entry: K}>
