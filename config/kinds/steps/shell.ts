// shell: run a command and judge it by its exit code.
import {z} from 'zod'
import {template} from '../../terms/interpolation.ts'
import {pattern} from '../../terms/patterns.ts'
import {
  commandOptions,
  defineStep,
  flowOf,
  flowOptions,
  limitOptions,
  oneOrMany,
  programOf,
  workdirFaults,
} from '../step.ts'

const shape = z.strictObject({
  kind: z.literal('shell'),
  ...commandOptions(),
  ...flowOptions(false),
  ...limitOptions(),
  warningPattern: pattern()
    .nullable()
    .prefault(null)
    .describe(
      'A linear-time (RE2) pattern; each line it finds counts as a warning, and a step that succeeds with warnings has the result `warnings`.',
    ),
  tests: z
    .strictObject(
      {
        junit: oneOrMany(template(), 'a glob such as reports/*.xml').describe(
          'Reports to read when it ends: globs below `workdir`.',
        ),
      },
      {error: 'expected reports such as {junit: reports/*.xml}'},
    )
    .optional()
    .describe('Test reports: cases are counted, failures are shown by name.'),
})

/** The step kind `shell`. */
export const shell = defineStep({
  kind: 'shell',
  summary: 'Run a command and judge it by its exit code.',
  shape,
  example: `kind: shell
name: test
command: [make, check, "VERSION=\${props.version:-0}"]
timeout: 20m
maxTime: 2h
retry: {times: 2, delay: 30s, on: [temporary]}
warningPattern: '^warning:'
tests: {junit: "reports/*.xml"}
`,
  check: (options) => workdirFaults(options.workdir),
  expand: (options, name) => ({
    ...flowOf('shell', name, options),
    command: {
      command: 'spawn',
      ...programOf(options.command),
      workdir: options.workdir,
      capture: null,
      junit: options.tests?.junit ?? [],
    },
  }),
})
