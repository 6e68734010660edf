// What a reporter has to tell, in words: composed once when the event is read, the same in every try to send it.
import type {Property, ReportEvent} from '../config.ts'

/** How news are meant: for a colour. */
export type Tone = 'good' | 'bad' | 'plain'

export interface Letter {
  /** The same when it is sent again. */
  readonly delivery: string
  readonly event: ReportEvent
  readonly at: string
  /** One line. */
  readonly title: string
  readonly link: string | null
  /** The build or the promotion, as the API shows it. */
  readonly about: Property
  readonly tone: Tone
  /** Paragraphs; the first says it in a sentence. */
  readonly text: readonly string[]
  readonly fields: readonly {readonly name: string; readonly value: string}[]
  /** What belongs together: letters of one rule, or of one builder and branch. */
  readonly thread: string
  /** The step that a build failed at, whose log's end says more. */
  readonly failed: {readonly step: string; readonly log: string | null} | null
  /** For mail: who gets it, and who of them has not got it yet. */
  readonly mail?: {readonly to: readonly string[]; readonly left: readonly string[]}
}

/** Text in one line, without what could end a line anywhere: titles and headers hold words from outside. */
export const oneLine = (text: string, most = 200): string => {
  const flat = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()
  return flat.length <= most ? flat : `${flat.slice(0, most - 1).trimEnd()}…`
}
