// Every message between a worker and a master, in the order of a conversation.
//
//   worker                                     master
//   ------ websocket GET /worker, Authorization: Bearer TOKEN ------
//   hello    who I am, what I can, what I hold
//                                     welcome  or refused (and the socket closes)
//                                     offer    here is a build; answer before the deadline
//   accept   or decline
//   journal  entries, in order; a log segment is a binary frame, all else is text
//                                     applied  everything up to here is durable; forget it
//                                     cancel   end this build (a person's or a policy's wish)
//                                     stop     this attempt is not yours any more; end its processes, drop it
//   beat     every `beatSeconds`      beaten
//
// Who is silent for three beats is gone: the socket is closed and the worker dials again. A lost connection changes
// nothing for a running build: the worker goes on, and after the next hello both sides say where they stand. Entries
// are sent again from the last one applied: at least once on the wire, exactly once in effect. Whatever names an
// attempt that is not the build's effective one is answered by `stop`. A message that `say`s something unknown is
// ignored and counted; unknown fields are ignored; a malformed frame closes the socket with code 1007 and a reason.
import {z} from 'zod'
import {entryShape} from './journal.ts'
import {planShape} from './plan.ts'

/** The newest version of this protocol, and the oldest that is still spoken. */
export const protocolNewest = 1
export const protocolOldest = 1

/** The largest frames accepted, in bytes: text or header, and the whole binary frame. */
export const textFrameMax = 4 * 1024 * 1024
export const binaryFrameMax = 8 * 1024 * 1024

const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/)
/** The attempt's fencing number, as decimal text: a higher one is newer. */
const attempt = z.string().regex(/^[0-9]{1,18}$/)

/** A worker's spool: output that waits on its disk for the master. */
export const spoolShape = z.object({
  bytes: z.number().min(0),
  limitBytes: z.number().min(0),
  /** What becomes of more: `truncate` (the middle is cut out) or `block` (the step is held). */
  policy: z.string().max(100),
  /** Builds whose output is being cut, and whose running step is being held. */
  cutting: z.int().min(0),
  holding: z.int().min(0),
  /** All that was cut since the worker was started. */
  cutBytes: z.number().min(0),
})
export type SpoolState = z.infer<typeof spoolShape>

export const helloShape = z.object({
  say: z.literal('hello'),
  /** Oldest and newest protocol version the worker speaks. */
  protocols: z.tuple([z.int(), z.int()]),
  worker: name,
  /** Names its state directory: who says hello with the same one is the same worker, wherever its old line may hang. */
  instance: z.string().min(1).max(100).optional(),
  version: z.string(),
  labels: z.record(z.string(), z.string()),
  maxBuilds: z.int().min(1).max(1000),
  /** The container engine it can use, such as `docker 20.10.24`; null for none. */
  engine: z.string().nullable(),
  /** Its clock, in milliseconds since 1970. */
  now: z.number(),
  freeBytes: z.number().nullable(),
  /** Below this many free bytes it wants no new build. */
  minFreeBytes: z.number().min(0).optional(),
  spool: spoolShape.optional(),
  /** Why it wants no new build now, for people; not there, or null, when it does. */
  hindered: z.string().max(500).nullable().optional(),
  /** Attempts it holds, with the number of their last journal entry. */
  attempts: z.array(z.object({attempt, last: z.int().min(0), applied: z.int().min(0)})),
})

export const workerMessageShape = z.discriminatedUnion('say', [
  helloShape,
  z.object({say: z.literal('accept'), attempt}),
  /** `code`: `full`, `draining`, `disk`, `engine`, `hindered`, `broken`. */
  z.object({say: z.literal('decline'), attempt, code: z.string(), text: z.string()}),
  z.object({say: z.literal('journal'), attempt, seq: z.int().min(1), entry: entryShape}),
  z.object({
    say: z.literal('beat'),
    now: z.number(),
    freeBytes: z.number().nullable(),
    spool: spoolShape.optional(),
    hindered: z.string().max(500).nullable().optional(),
  }),
])
export type WorkerMessage = z.infer<typeof workerMessageShape>
export type Hello = z.infer<typeof helloShape>
export type JournalMessage = Extract<WorkerMessage, {say: 'journal'}>

export const masterMessageShape = z.discriminatedUnion('say', [
  z.object({
    say: z.literal('welcome'),
    protocol: z.int(),
    master: z.string(),
    now: z.number(),
    beatSeconds: z.number().positive(),
    /** Where the master stands with each attempt of the hello: go on after `applied`, or drop it. */
    attempts: z.array(
      z.object({attempt, applied: z.int().min(0), verdict: z.enum(['continue', 'stop', 'cancel'])}),
    ),
  }),
  /** `code`: `unknown-worker`, `name-in-use`, `protocol`, `not-configured`. The worker shows `text` and, save for `protocol`, tries again later. */
  z.object({say: z.literal('refused'), code: z.string(), text: z.string()}),
  z.object({
    say: z.literal('offer'),
    attempt,
    /** Milliseconds within which to accept or decline. */
    deadlineMs: z.int().positive(),
    plan: planShape,
    secrets: z.record(z.string(), z.string()),
  }),
  z.object({say: z.literal('applied'), attempt, upTo: z.int().min(0)}),
  z.object({say: z.literal('cancel'), attempt, reason: z.string()}),
  z.object({say: z.literal('stop'), attempt, reason: z.string()}),
  z.object({say: z.literal('beaten'), now: z.number()}),
])
export type MasterMessage = z.infer<typeof masterMessageShape>
export type Welcome = Extract<MasterMessage, {say: 'welcome'}>
export type Offer = Extract<MasterMessage, {say: 'offer'}>
