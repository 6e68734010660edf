// upload: keep files of the workspace on the master, as an artifact of the build.
import {z} from 'zod'
import {template} from '../../terms/interpolation.ts'
import {flag} from '../../terms/names.ts'
import {defineStep, flowOf, flowOptions, oneOrMany, workdir, workdirFaults} from '../step.ts'

const shape = z.strictObject({
  kind: z.literal('upload'),
  files: oneOrMany(template(), 'a glob such as dist/*').describe(
    'What to keep: globs below `workdir`. Text with holes.',
  ),
  artifact: template().describe("The artifact's name. Text with holes."),
  workdir: workdir(),
  optional: flag().prefault(false).describe('Finding nothing to keep is no failure.'),
  // As in Buildbot, where a transfer that fails ends the build.
  ...flowOptions(true),
})

/** The step kind `upload`. */
export const upload = defineStep({
  kind: 'upload',
  summary: 'Keep files of the workspace on the master, as an artifact of the build.',
  shape,
  example: `kind: upload
files: dist/*
artifact: dist
when: "result == 'success'"
`,
  check: (options) => [
    ...workdirFaults(options.workdir),
    ...(options.artifact?.length === 0
      ? [{path: ['artifact'], message: "expected the artifact's name"}]
      : []),
  ],
  expand: (options, name) => ({
    ...flowOf('upload', name, options),
    command: {
      command: 'keep',
      files: options.files,
      artifact: options.artifact,
      workdir: options.workdir,
      optional: options.optional,
    },
  }),
})
