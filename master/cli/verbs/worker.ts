// `ostler worker` for the help only: the executable hands it to the worker's own program before this one starts.
import type {Verb} from '../verb.ts'

export const worker: Verb = (program) =>
  program
    .command('worker')
    .description(
      'run a worker: ostler worker --master URL --name NAME --state-dir DIR [--label k=v]... [--max-builds N]',
    )
    .allowUnknownOption()
    .helpOption(false)
