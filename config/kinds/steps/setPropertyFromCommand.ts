// setPropertyFromCommand: run a command and keep what it prints as a property of the build.
import {z} from 'zod'
import {builtinProperties} from '../../terms/interpolation.ts'
import {propertyName} from '../../terms/names.ts'
import {
  commandOptions,
  defineStep,
  flowOf,
  flowOptions,
  limitOptions,
  programOf,
  workdirFaults,
} from '../step.ts'

const shape = z.strictObject({
  kind: z.literal('setPropertyFromCommand'),
  property: propertyName().describe(
    'The property to set to what the command prints on standard output, without white space at its ends.',
  ),
  ...commandOptions(),
  ...flowOptions(false),
  ...limitOptions(),
})

/** The step kind `setPropertyFromCommand`. */
export const setPropertyFromCommand = defineStep({
  kind: 'setPropertyFromCommand',
  summary: 'Run a command and keep what it prints as a property, which later steps use as `${props.NAME}`.',
  shape,
  example: `kind: setPropertyFromCommand
name: version
command: git describe --always
property: version
`,
  check: (options) => [
    ...workdirFaults(options.workdir),
    ...(options.property !== undefined && Object.hasOwn(builtinProperties, options.property)
      ? [{path: ['property'], message: `every build has its own ${options.property}; choose another name`}]
      : []),
  ],
  sets: ({property}) => (property === undefined ? [] : [property]),
  expand: (options, name) => ({
    ...flowOf('setPropertyFromCommand', name, options),
    command: {
      command: 'spawn',
      ...programOf(options.command),
      workdir: options.workdir,
      capture: options.property,
      junit: [],
    },
  }),
})
