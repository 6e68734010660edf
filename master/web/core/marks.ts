// What each state is called and which tone it wears. Shape and word carry the meaning; colour only helps.
import type {Result} from '../../../worker/protocol/results.ts'

export type Tone = Result | 'running' | 'pending'

/** A build's, step's or request's tone: its result, or how far it is. */
export const toneOf = (thing: {readonly state: string; readonly result: Result | null}): Tone =>
  thing.result ?? (thing.state === 'running' || thing.state === 'claimed' ? 'running' : 'pending')

const words: Record<Tone, string> = {
  success: 'passed',
  warnings: 'warnings',
  failure: 'failed',
  exception: 'broke',
  skipped: 'skipped',
  retry: 'lost, to be retried',
  cancelled: 'cancelled',
  running: 'running',
  pending: 'waiting',
}

/** The word people read. */
export const sayTone = (tone: Tone) => words[tone]
