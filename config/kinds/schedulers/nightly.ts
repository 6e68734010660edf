// nightly: build at times of a calendar. When it comes due is in `terms/calendars.ts`.
import {z} from 'zod'
import {cron, timezone} from '../../terms/calendars.ts'
import {branchName} from '../../terms/globs.ts'
import {flag, thingName} from '../../terms/names.ts'
import {defineScheduler, firstBranch, firstSource, schedulerOptions, sharedOf} from '../scheduler.ts'

const missed = ['once', 'skip'] as const

const shape = z.strictObject({
  kind: z.literal('nightly'),
  ...schedulerOptions(),
  cron: cron().describe('When: minute, hour, day of the month, month, day of the week.'),
  timezone: timezone().optional().describe("The time zone of `cron`. Default: the document's."),
  source: thingName()
    .nullable()
    .prefault(null)
    .describe('What it builds. Default: the source that its first builder checks out.'),
  branch: branchName()
    .nullable()
    .prefault(null)
    .describe("The branch whose tip it builds. Default: the source's first."),
  onlyIfChanged: flag().prefault(false).describe('Only when the branch has moved since the last time.'),
  missed: z
    .enum(missed, {error: `expected one of ${missed.join(', ')}`})
    .prefault('once')
    .describe(
      'Due times that passed while no master ran: `once` makes up for all of them with one build, `skip` forgets them.',
    ),
})

/** The scheduler kind `nightly`. */
export const nightly = defineScheduler({
  kind: 'nightly',
  summary: 'Build at times of a calendar.',
  shape,
  example: `kind: nightly
name: nightly
cron: "0 3 * * *"
onlyIfChanged: true
builders: [check]
`,
  references: {builders: 'builder', source: 'source'},
  resolve: (options, surroundings) => {
    const source = options.source ?? firstSource(options.builders, surroundings)
    return {
      kind: 'nightly',
      ...sharedOf(options),
      cron: options.cron,
      timezone: options.timezone ?? surroundings.timezone,
      source,
      branch: options.branch ?? firstBranch(source, surroundings),
      onlyIfChanged: options.onlyIfChanged,
      missed: options.missed,
    }
  },
})
