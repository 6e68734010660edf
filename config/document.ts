// The whole document a user writes: its parts and, below `builders`, `schedulers` and the like, the kinds.
import {z} from 'zod'
import {promotionShapeOf} from './kinds/rule.ts'
import {reporterShape} from './kinds/reporters/index.ts'
import {ruleShape} from './kinds/promotions/index.ts'
import {schedulerShape} from './kinds/schedulers/index.ts'
import {sourceShape} from './kinds/sources/index.ts'
import {stepShape} from './kinds/steps/index.ts'
import {timezone} from './terms/calendars.ts'
import {duration, durationOrZero} from './terms/durations.ts'
import {environment} from './terms/interpolation.ts'
import {count, flag, labels, line, list, properties, someOf, thingName, webUrl} from './terms/names.ts'
import {size} from './terms/sizes.ts'

const containerShape = z.strictObject(
  {
    image: line(500).describe('The image.'),
    memory: size('4GiB')
      .nullable()
      .prefault(null)
      .describe('Memory allowed, such as `4GiB`. `null` is no limit.'),
    cpus: z
      .number({error: 'expected a number of processors such as 2 or 0.5'})
      .positive({error: 'expected a number above zero'})
      .max(4096, {error: 'expected at most 4096 processors'})
      .nullable()
      .prefault(null)
      .describe('Processors allowed, such as `2` or `0.5`. `null` is no limit.'),
    pids: count(1, 1_000_000).nullable().prefault(null).describe('Processes allowed. `null` is no limit.'),
    network: line()
      .nullable()
      .prefault(null)
      .describe("The network: `none`, or one of the engine's by name. `null` is the engine's default."),
    user: line()
      .nullable()
      .prefault(null)
      .describe(
        "The user it runs as, `NAME` or `UID:GID`. `null` is the image's, or the worker's own if that is not root.",
      ),
  },
  {error: 'expected a container such as {image: debian:12}'},
)

const workerShape = z.strictObject(
  {
    name: thingName().describe('Its name; `ostler token worker NAME` makes its token.'),
    labels: labels().prefault({}).describe('What it can do, over what it says itself.'),
    maxBuilds: count(1, 1000)
      .nullable()
      .prefault(null)
      .describe('Builds at once. `null` leaves it to the worker.'),
    missingTimeout: duration('10m')
      .nullable()
      .prefault(null)
      .describe('How long it may be away before its builds are tried elsewhere. `null` is ten minutes.'),
  },
  {error: 'expected a worker such as {name: bob}'},
)

const builderShape = z.strictObject(
  {
    name: thingName().describe('Its name.'),
    tags: list(line(50), 'tags').prefault([]).describe('Words to find it by.'),
    description: z
      .string({error: 'expected text'})
      .max(10_000)
      .prefault('')
      .describe('What it is for, for people.'),
    requires: labels().prefault({}).describe('Labels that a worker must have.'),
    workers: list(thingName(), 'workers')
      .prefault([])
      .describe('Workers that may build it. Empty: every worker with the labels.'),
    container: containerShape
      .nullable()
      .prefault(null)
      .describe("The container its steps run in. `null`: the worker's host."),
    env: environment().prefault({}).describe('Environment variables of all its steps. Text with holes.'),
    properties: properties().prefault({}).describe('Properties of its builds, under those of the scheduler.'),
    timeout: duration('3h')
      .nullable()
      .prefault(null)
      .describe('Time allowed for a whole build. `null` is no limit.'),
    collapseRequests: flag()
      .prefault(true)
      .describe('Waiting requests of the same branch become one, at the newest.'),
    priority: count(-1000, 1000).prefault(0).describe('Higher first.'),
    intGrace: durationOrZero('2s')
      .prefault('2s')
      .describe('Time between SIGINT and SIGTERM when a step is ended.'),
    termGrace: durationOrZero('10s')
      .prefault('10s')
      .describe('Time between SIGTERM and SIGKILL when a step is ended.'),
    steps: someOf(stepShape, 'step').describe('What it does, in order.'),
  },
  {error: 'expected a builder such as {name: check, steps: [...]}'},
)

const retentionShape = z.strictObject(
  {
    builds: duration('400d')
      .nullable()
      .prefault(null)
      .describe('Age at which builds go, with all that belongs to them. `null` keeps them.'),
    logs: duration('90d')
      .nullable()
      .prefault(null)
      .describe('Age at which logs go. `null` keeps them as long as the build.'),
    artifacts: duration('30d')
      .nullable()
      .prefault(null)
      .describe('Age at which artifacts go. `null` keeps them as long as the build.'),
    keepLatest: count(0, 100_000)
      .prefault(20)
      .describe('The newest builds of each builder are kept whatever their age.'),
  },
  {error: 'expected ages such as {builds: 400d, logs: 90d}'},
)

/** The parts of a document that are lists of things without kinds, and single things; for the reference. */
export const parts = {
  worker: workerShape,
  builder: builderShape,
  container: containerShape,
  retention: retentionShape,
}

const secretsShape = z.strictObject(
  {
    directory: line(1000)
      .nullable()
      .prefault(null)
      .describe(
        "A directory with one file for each secret. `null`: systemd's credentials, then variables `OSTLER_SECRET_NAME`.",
      ),
  },
  {error: 'expected {directory: /etc/ostler/secrets}'},
)

const accessShape = z.strictObject(
  {
    read: z
      .enum(['open', 'closed'], {error: 'expected open or closed'})
      .prefault('closed')
      .describe('Whether everyone may look without a token. Changing anything always needs one.'),
  },
  {error: 'expected {read: open} or {read: closed}'},
)

/** The document. */
export const documentShape = z.strictObject(
  {
    $schema: z
      .string({error: 'expected text'})
      .optional()
      .describe("The schema's address, for editors. Not read."),
    title: line().prefault('Ostler').describe('What the pages are called.'),
    url: webUrl()
      .nullable()
      .prefault(null)
      .describe('Where people reach the master: what links point to. `null`: where it listens.'),
    timezone: timezone().prefault('UTC').describe('The time zone of calendars that name none.'),
    secrets: secretsShape.prefault({}).describe('Where the values of secrets are.'),
    access: accessShape.prefault({}).describe('Who may look.'),
    changeSources: list(sourceShape, 'change sources').prefault([]).describe('Where changes come from.'),
    workers: list(workerShape, 'workers').prefault([]).describe('The workers that may connect.'),
    builders: list(builderShape, 'builders').prefault([]).describe('What can be built.'),
    schedulers: list(schedulerShape, 'schedulers').prefault([]).describe('When something is built.'),
    promotions: promotionShapeOf(ruleShape)
      .prefault({})
      .describe('How tested commits move from branch to branch.'),
    reporters: list(reporterShape, 'reporters').prefault([]).describe('Who is told.'),
    retention: retentionShape.prefault({}).describe('How long things are kept.'),
  },
  {error: 'expected a configuration: builders, schedulers and so on'},
)

/** What a user writes. */
export type Document = z.input<typeof documentShape>
/** The same, with every default filled in. */
export type ParsedDocument = z.output<typeof documentShape>
